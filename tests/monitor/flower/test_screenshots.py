"""The pictures in the documents: ``FARM_TASKS_SCREENSHOTS=1 pytest`` this file writes them anew.

Real transfers to a real Kitsu over a slow line, in all the states that a night on a farm has.
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
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.monitor.flower.running import running_flower
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.media import movie
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = [
    pytest.mark.operations,
    pytest.mark.skipif(
        "FARM_TASKS_SCREENSHOTS" not in os.environ, reason="FARM_TASKS_SCREENSHOTS is not set"
    ),
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


def test_the_pictures(
    kitsu: SandboxInfo, projects: Path, page: playwright.Page, tmp_path: Path
) -> None:
    environment = kitsu.environment()

    def publish(path: Path, text: str) -> Submission:
        status = kitsu.task_status_ids["wfa"]
        return submit.publish_preview(
            kitsu.task_id, status, text, preview_file_path=str(path), wait_until_ready=True
        )

    shots = projects / "sq010"
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
                done = publish(movie(kitsu, shots / "sh005_anim_v021.mp4", 2), "Blocking")
                done.wait(60)
                failed = submit.upload_preview_file(
                    SOME_ID, str(large(shots / "sh015_comp_v002.psd", 3 * MB))
                )
                cancelled = publish(large(shots / "sh020_fx_v009.mov", 300 * MB), "Wrong one")
                wait_until(lambda: cancelled.progress().bytes_read > 60 * MB, 30)
                cancelled.cancel()
                wait_until(lambda: failed.record().is_final and cancelled.record().is_final, 20)
                processing_movie = movie(
                    kitsu, shots / "sh030_comp_v004.mp4", seconds=40, size="1920x1080"
                )
                moving = [
                    publish(large(shots / "sh010_comp_v014.mov", 640 * MB), "Final"),
                    publish(
                        large(
                            shots / "sh012_comp_with_a_name_that_says_far_too_much_v003_final.mov",
                            420 * MB,
                        ),
                        "Long",
                    ),
                ]
                wait_until(lambda: moving[0].progress().bytes_read > 120 * MB, 60)
                processing = publish(processing_movie, "Review")
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
