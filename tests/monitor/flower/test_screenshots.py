"""The pictures in the documents, of real transfers to a real Kitsu over a slow line.

``FARM_TASKS_SCREENSHOTS=/mnt/projects pytest`` this file writes them anew. They show that folder,
which root can have for the time of the test alone: ``unshare --mount sh -c 'mount -t tmpfs none
/mnt && FARM_TASKS_SCREENSHOTS=/mnt/projects pytest ...'``.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import playwright.sync_api as playwright
import pytest

from farm_tasks import submit
from farm_tasks.cli.slow_line import SlowLine
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import sender
from tests.monitor.flower.running import running_flower
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.media import movie
from tests.support.waiting import wait_until
from tests.support.worker import Worker

PROJECTS = os.environ.get("FARM_TASKS_SCREENSHOTS", "")

pytestmark = [
    pytest.mark.operations,
    pytest.mark.skipif(not PROJECTS, reason="FARM_TASKS_SCREENSHOTS is not set"),
]

IMAGES = Path(__file__).parents[3] / "docs" / "images"
MB = 1_000_000


@contextlib.contextmanager
def overloaded_kitsu() -> Iterator[FailingKitsu]:
    """One that asks to come back in a quarter of an hour."""
    with FailingKitsu() as server:
        server.answers = [(503, {"Retry-After": "900"})]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def large(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


@contextlib.contextmanager
def running_host(folder: Path, environment: dict[str, str], slots: int) -> Iterator[Worker]:
    """A worker by the name that it would have on a host of its own."""
    worker = Worker(folder, environment, "threads", slots)
    worker._command[worker._command.index(worker.name)] = worker.name = f"celery@{folder.name}"
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()


@pytest.fixture
def shown_projects() -> Path:
    """The folder of a show that the pictures name."""
    folder = Path(PROJECTS) / "northwind"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def environment(kitsu: SandboxInfo, shown_projects: Path) -> dict[str, str]:
    roots = str(shown_projects.parent)
    return {
        **kitsu.environment(),
        "FARM_TASKS_READ_ROOTS": roots,
        "FARM_TASKS_WRITE_ROOTS": roots,
    }


def publish(kitsu: SandboxInfo, path: Path, text: str) -> Submission:
    status = kitsu.task_status_ids["wfa"]
    return submit.publish_preview(
        kitsu.task_id, status, text, preview_file_path=str(path), wait_until_ready=True
    )


def test_the_list_and_a_task(
    kitsu: SandboxInfo,
    environment: dict[str, str],
    shown_projects: Path,
    page: playwright.Page,
    tmp_path: Path,
) -> None:
    shots = shown_projects / "sq010"
    shots.mkdir()
    with (
        running_flower(tmp_path, environment) as flower,
        overloaded_kitsu() as busy,
        SlowLine(kitsu.kitsu_host, rate=12 * MB) as line,
    ):
        away = {**environment, "KITSU_HOST": f"http://127.0.0.1:{busy.server_port}"}
        near = {**environment, "KITSU_HOST": line.address}
        with running_host(tmp_path / "render02", away, 1) as first:
            retried = submit.upload_working_file(
                SOME_ID, str(large(shots / "sh040_lighting_v007.hip", 48 * MB))
            )
            wait_until(lambda: retried.state == "RETRY", 30)
            control = sender().control
            queues = control.inspect([first.name]).active_queues()[first.name]
            for queue in queues:
                control.cancel_consumer(queue["name"], destination=[first.name], reply=True)
            with running_host(tmp_path / "render01", near, 8):
                done = publish(kitsu, movie(kitsu, shots / "sh005_anim_v021.mp4", 2), "Blocking")
                done.wait(60)
                failed = submit.upload_preview_file(
                    SOME_ID, str(large(shots / "sh015_comp_v002.psd", 3 * MB))
                )
                cancelled = publish(
                    kitsu, large(shots / "sh020_fx_v009.mov", 300 * MB), "Wrong one"
                )
                wait_until(lambda: cancelled.progress().bytes_read > 60 * MB, 30)
                cancelled.cancel()
                wait_until(lambda: failed.record().is_final and cancelled.record().is_final, 20)
                processing_movie = movie(
                    kitsu, shots / "sh030_comp_v004.mp4", seconds=40, size="1920x1080"
                )
                moving = [
                    publish(kitsu, large(shots / "sh010_comp_v014.mov", 640 * MB), "Final"),
                    publish(
                        kitsu,
                        large(
                            shots / "sh012_comp_with_a_name_that_says_far_too_much_v003_final.mov",
                            420 * MB,
                        ),
                        "Long",
                    ),
                ]
                wait_until(lambda: moving[0].progress().bytes_read > 120 * MB, 60)
                processing = publish(kitsu, processing_movie, "Review")
                wait_until(lambda: processing.progress().stage == "waiting for Kitsu", 60)
                page.goto(f"{flower.url}/tasks")
                bar = f"tr[id='{moving[1].id}'] .ft-fill"
                page.wait_for_function(
                    f'parseFloat(document.querySelector("{bar}").style.width) > 40'
                )
                page.screenshot(path=IMAGES / "flower-list.png")
                page.goto(f"{flower.url}/task/{moving[0].id}")
                page.wait_for_function("document.querySelector('.ft-percent').textContent > '4'")
                page.screenshot(path=IMAGES / "flower-task.png")
                for one in (*moving, processing, retried):
                    one.cancel()


def test_a_batch(
    kitsu: SandboxInfo,
    environment: dict[str, str],
    shown_projects: Path,
    page: playwright.Page,
    tmp_path: Path,
) -> None:
    shots = shown_projects / "sq020"
    shots.mkdir()
    page.set_viewport_size({"width": 1280, "height": 860})
    with (
        running_flower(tmp_path, environment) as flower,
        SlowLine(kitsu.kitsu_host, rate=12 * MB) as line,
        running_host(tmp_path / "render01", {**environment, "KITSU_HOST": line.address}, 4),
    ):
        paths = [
            movie(kitsu, shots / "sh010_comp_v005.mp4", 2),
            movie(kitsu, shots / "sh020_comp_v011.mp4", 3),
            shots / "sh030_comp_v002.mp4",  # its render has failed
            large(shots / "sh040_comp_v017.mov", 520 * MB),
            large(shots / "sh050_comp_v003.mov", 610 * MB),
            large(shots / "sh060_comp_v008.mov", 260 * MB),
            large(shots / "sh070_comp_v001.mov", 410 * MB),
            large(shots / "sh080_comp_v006.mov", 300 * MB),
        ]
        members = [publish(kitsu, path, "Dailies") for path in paths]
        batch = Group.of(members)
        wait_until(lambda: all(one.state == "SUCCESS" for one in members[:2]), 120)
        page.goto(f"{flower.url}/batches")
        page.locator(f"a[href$='{batch.id}']").click()
        page.wait_for_function(
            """[...document.querySelectorAll(".ft-table tr[data-state=PROGRESS] .ft-fill")]
                .filter(one => parseFloat(one.style.width) > 7).length == 4""",
            timeout=60_000,
        )
        page.screenshot(path=IMAGES / "flower-batch.png")
        batch.cancel()
        wait_until(lambda: all(one.is_final for one in batch.records()), 30)
