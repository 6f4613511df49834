from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import playwright.sync_api as playwright
import pytest

from farm_tasks import submit
from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, PROGRESS, SUCCESS
from farm_tasks.submit import Group, Submission
from farm_tasks.transfer.progress import Progress
from tests.cli.records import store
from tests.monitor.flower.running import Flower, running_browser, running_flower
from tests.support.environment import environment_of
from tests.support.redis_server import running_redis

pytestmark = pytest.mark.operations

FORGED = "<img src=x onerror=document.title='forged'>.mp4"
MB = 1_000_000


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    folder = tmp_path_factory.mktemp("flower")
    with running_redis(folder / "redis") as server:
        variables = {
            "FARM_TASKS_BROKER_URL": server.url(0),
            "FARM_TASKS_RESULT_BACKEND": server.url(1),
        }
        with environment_of(variables), running_flower(folder, variables) as running:
            yield running


@pytest.fixture(scope="module")
def page(flower: Flower) -> Iterator[playwright.Page]:
    with running_browser() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        opened.set_default_timeout(60_000)
        yield opened


def uploads(folder: Path, *names: str) -> list[Submission]:
    found = []
    for name in names:
        with (folder / name).open("wb") as file:
            file.truncate(100 * MB)
        found.append(submit.upload_working_file(str(uuid.uuid4()), folder / name))
    return found


def move(submission: Submission, file: str, megabytes: int) -> None:
    progress = Progress(
        megabytes * MB, 100 * MB, "uploading", 20.0 * MB, (100 - megabytes) / 20, f"/p/{file}"
    )
    store(submission.id, PROGRESS, progress.to_dict())


def test_a_batch_moves_without_a_reload(
    flower: Flower, page: playwright.Page, tmp_path: Path
) -> None:
    names = ["SH010_comp_v003.mp4", "SH020_comp_v001.mp4", "SH030_v012.mp4", FORGED, "SH050.mp4"]
    done, moving, failed, forged, _ = members = uploads(tmp_path, *names)
    group = Group.of(members)
    store(done.id, SUCCESS, {"id": "x"}, Progress(100 * MB, 100 * MB, file=f"/p/{names[0]}"))
    store(failed.id, FAILURE, Rejected("Kitsu does not know this working file any more."))
    move(moving, names[1], 20)
    move(forged, names[3], 10)

    page.goto(f"{flower.url}/tasks")
    page.get_by_role("link", name="Batches").click()
    page.locator(f"a[href$='{group.id}']").click()
    bars = page.locator(".ft-table [role=progressbar]")
    overall = page.locator("#ft-overall [role=progressbar]")
    playwright.expect(bars).to_have_count(5)
    playwright.expect(overall).to_have_attribute("aria-valuenow", "26")
    playwright.expect(page.locator("#ft-overall")).to_contain_text("1 of 5 done, 1 failed")
    playwright.expect(page.locator(".ft-table")).to_contain_text("does not know this working file")
    playwright.expect(page.locator(".ft-table")).to_contain_text(FORGED)

    page.evaluate("window.isTheSamePage = true")
    for megabytes in (40, 60, 80):
        move(moving, names[1], megabytes)
        playwright.expect(bars.first).to_have_attribute("aria-valuenow", str(megabytes))
        playwright.expect(overall).to_have_attribute(
            "aria-valuenow", str((100 + megabytes + 10) // 5)
        )
    assert page.evaluate("window.isTheSamePage && document.title !== 'forged'")


def test_all_batches_are_listed_with_their_overall_bars(
    flower: Flower, page: playwright.Page, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    old = Group.of(uploads(tmp_path / "old", "a.mp4"))
    new = Group.of(uploads(tmp_path, "b.mp4"))
    move(new.submissions[0], "b.mp4", 50)
    page.goto(f"{flower.url}/batches")
    first = page.locator(".ft-table tbody tr").first
    playwright.expect(first.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "50")
    addresses = page.locator(".ft-table a").evaluate_all("all => all.map(one => one.href)")
    assert [one.rpartition("/")[2] for one in addresses[:2]] == [new.id, old.id]


def test_the_same_figures_come_as_json(flower: Flower, tmp_path: Path) -> None:
    group = Group.of(uploads(tmp_path, "c.mp4"))
    status, text = flower.ask(f"/batch/{group.id}/figures")
    found = json.loads(text)
    assert (status, found["files_total"], found["total"]) == (200, 1, 100 * MB)
    assert found["files"][0]["state"] == "QUEUED"
    assert flower.ask("/batch/unknown/figures")[0] == 404
