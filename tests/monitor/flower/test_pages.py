"""Flower as a person sees it, in a real browser, while a real worker moves real bytes."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import playwright.sync_api as playwright
import pytest
from celery import Celery

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.monitor.flower.farm import Farm
from tests.monitor.flower.running import running_flower
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.worker.crew import MB

pytestmark = pytest.mark.operations

PERCENT = "Number(document.querySelector({selector!r})?.getAttribute('aria-valuenow'))"

STEADY = 0.25
"""Seconds: where the test itself was held up for longer, it has measured the machine."""


def percent_of(submission: Submission) -> float:
    """As it is in Redis."""
    return float(submission.progress().to_dict()["percent"] or 0.0)


class History:
    """What Redis said of a submission, and when, in seconds since the epoch."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._readings: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> History:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._ended.wait(0.02):
            percent = percent_of(self._submission)
            self._readings.append((time.time(), percent))

    def at(self, moment: float) -> float:
        """The percentage at a moment, or a moment before."""
        return max((percent for when, percent in self._readings if when <= moment), default=0.0)

    def wait_for(self, moment: float) -> None:
        """Wait until Redis was read after a moment."""
        wait_until(lambda: self._readings and self._readings[-1][0] > moment, 10)

    def was_steady(self, moment: float) -> bool:
        """Whether it was read all through the second before a moment, and until after it."""
        times = [when for when, _ in self._readings]
        around = [one for one in times if moment - 1.0 - STEADY < one < moment + STEADY]
        gaps = [later - one for one, later in itertools.pairwise(around)]
        return (
            len(around) > 1
            and around[0] <= moment - 1.0
            and around[-1] >= moment
            and max(gaps) < STEADY
        )


def slow_upload(farm: Farm, size: int = 60 * MB) -> Submission:
    """One that takes a minute."""
    farm.crew.kitsu.serve(0, rate=1 * MB)
    submission = farm.crew.upload(size)
    wait_until(lambda: farm.flower.task(submission.id).get("state") == "PROGRESS", 20)
    return submission


@pytest.fixture
def moving(farm: Farm) -> Iterator[Submission]:
    submission = slow_upload(farm)
    yield submission
    submission.cancel()
    wait_until(lambda: submission.record().is_final, 15)


def see_it_rise(page: playwright.Page, selector: str, submission: Submission) -> list[float]:
    """Read the bar five times; each reading is higher than the last, and no older than a second.

    The page itself says when it shows what. A reading from a second in which nobody could look at
    Redis (other tests may run beside this one) is no measure, so another is taken: but never of
    another page, and each must be higher.
    """
    page.evaluate("window.sameDocument = true")
    expression = PERCENT.format(selector=selector)
    higher = f"last => {{ const now = {expression}; return now > last && [now, Date.now()] }}"
    readings: list[float] = [0.0]
    counted = 0
    with History(submission) as history:
        wait_until(lambda: history.at(time.time()) > 0, 10)
        began = time.time()  # a second of Redis's figures, to compare with
        wait_until(lambda: time.time() - began > 1.0 + STEADY, 10)
        while counted < 5:
            found = page.wait_for_function(higher, arg=readings[-1], polling=20).json_value()
            shown, moment = found[0], found[1] / 1000
            assert shown > readings[-1]
            assert shown <= percent_of(submission)
            readings.append(shown)
            history.wait_for(moment)
            if history.was_steady(moment):
                assert history.at(moment - 1.0) <= shown
                counted += 1
            assert len(readings) < 30, "The machine is too busy to measure anything."
    assert page.evaluate("window.sameDocument") is True
    return readings[1:]


def test_the_list_shows_a_bar_that_moves(
    farm: Farm, page: playwright.Page, moving: Submission
) -> None:
    page.goto(f"{farm.flower.url}/tasks")
    readings = see_it_rise(page, f"tr[id='{moving.id}'] .ft-bar", moving)
    assert readings == sorted(set(readings))
    row = page.locator(f"tr[id='{moving.id}']")
    assert row.locator(".ft-file").inner_text() == "60000000.ma"
    assert row.locator(".ft-file").get_attribute("title") == str(farm.crew.folder / "60000000.ma")
    assert row.locator(".ft-uuid").get_attribute("href") == f"/task/{moving.id}"
    text = row.locator(".ft-text").inner_text()
    assert text.startswith("uploading")
    assert "/60.0 MB" in text
    assert "B/s" in text
    assert text.endswith("left")


def test_the_page_of_a_task_shows_it_and_its_button_stops_it(
    farm: Farm, page: playwright.Page
) -> None:
    submission = slow_upload(farm)
    page.goto(f"{farm.flower.url}/task/{submission.id}")
    see_it_rise(page, ".ft-card .ft-bar", submission)
    figures = page.locator(".ft-figures")
    assert "(60,000,000 bytes)" in figures.locator("[data-figure=total]").inner_text()

    page.get_by_role("button", name="Terminate").click()

    page.locator(".ft-card .ft-progress[data-state=REVOKED]").wait_for()
    assert submission.state == "REVOKED"
    assert "cancelled" in page.locator(".ft-card .ft-reason").inner_text().lower()
    assert page.get_by_role("button", name="Terminate").is_hidden()
    # The bar stays where it was.
    record = submission.record()
    task = farm.flower.task(submission.id)
    assert (task["bytes_read"], task["total"]) == (record.progress.bytes_read, 60 * MB)
    assert 0 < task["percent"] < 100


def test_the_api_has_the_numbers_of_redis(farm: Farm) -> None:
    farm.crew.kitsu.serve(0)
    submission = farm.crew.upload(3 * MB)
    submission.wait(timeout=20)
    wait_until(lambda: farm.flower.task(submission.id).get("state") == "SUCCESS", 15)
    task, progress = farm.flower.task(submission.id), submission.progress()
    for name in ("bytes_read", "total", "percent", "file", "stage", "attempt"):
        assert task[name] == getattr(progress, name), name
    assert submission.id in farm.flower.ask("/api/tasks?limit=100")[1]


def test_names_and_reasons_are_text(farm: Farm, page: playwright.Page) -> None:
    farm.crew.kitsu.serve(0)
    name = "<img src=x onerror=hacked()>\u202e.ma"
    path = farm.crew.folder / name
    path.write_bytes(b"scene")
    done = submit.upload_working_file(WORKING_FILE, str(path))
    failed = submit.upload_working_file(WORKING_FILE, "/nowhere/<script>hacked()</script>.ma")
    wait_until(lambda: farm.flower.task(done.id).get("state") == "SUCCESS", 20)
    wait_until(lambda: farm.flower.task(failed.id).get("state") == "FAILURE", 20)

    page.goto(f"{farm.flower.url}/tasks")
    file = page.locator(f"tr[id='{done.id}'] .ft-file")
    # What would turn the name's letters around is shown as what it is.
    assert file.inner_text() == name.replace("\u202e", "\\u202e")
    reason = page.locator(f"tr[id='{failed.id}'] .ft-reason").inner_text()
    assert "<script>hacked()</script>.ma is not under" in reason
    assert page.locator("#tasks-table img, #tasks-table script").count() == 0
    for submission, shown in ((done, "<img src=x"), (failed, "<script>hacked()")):
        page.goto(f"{farm.flower.url}/task/{submission.id}")
        assert shown in page.locator(".ft-figures").inner_text()
        assert page.locator("main img").count() == 0
    # hacked() is not defined: had any of it run, the fixture would have seen the error.


def test_search_and_place_stay_while_the_list_moves(
    farm: Farm, page: playwright.Page, moving: Submission
) -> None:
    page.set_viewport_size({"width": 1280, "height": 420})
    page.goto(f"{farm.flower.url}/tasks")
    page.locator(f"tr[id='{moving.id}'] .ft-bar").wait_for()
    search = page.locator("#tasks-table_filter input")
    search.fill("60000000.ma")
    page.wait_for_function(
        "[...document.querySelectorAll('.ft-file')].every(one => one.textContent == '60000000.ma')"
    )
    page.evaluate("window.scrollTo(0, 60)")
    row = page.locator(f"tr[id='{moving.id}']").element_handle()
    bar = PERCENT.format(selector=f"tr[id='{moving.id}'] .ft-bar")
    before = page.evaluate(bar)
    requests: list[float] = []
    page.on("request", lambda request: requests.append(time.monotonic()))
    began = time.monotonic()
    page.wait_for_function(f"{bar} > {before + 4}")
    seconds = time.monotonic() - began
    assert page.evaluate("window.scrollY") == 60
    assert search.input_value() == "60000000.ma"
    assert page.evaluate("document.activeElement.type") == "search"
    assert row is not None
    assert row.evaluate("row => row.isConnected"), "the row was drawn anew instead of moved"
    assert len(requests) <= seconds + 1

    page.get_by_role("button", name="Failed").click()
    page.wait_for_function(f"!document.querySelector(\"tr[id='{moving.id}'] .ft-bar\")")
    page.get_by_role("button", name="Running").click()
    page.locator(f"tr[id='{moving.id}'] .ft-bar").wait_for()
    page.locator(".dataTables_scrollHead th[data-column=percent]").click()
    page.locator(f"tr[id='{moving.id}'] .ft-bar").wait_for()


def test_events_are_two_a_second_at_most_and_one_at_the_end(farm: Farm) -> None:
    farm.crew.kitsu.serve(0, rate=2 * MB)
    events: list[dict[str, Any]] = []
    app = Celery(broker=farm.crew.redis.url(0))
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": events.append})
        listening = threading.Thread(target=receiver.capture, kwargs={"timeout": 30})
        listening.start()
        wait_until(lambda: events, 20)  # a worker's heartbeat: the receiver listens
        submission = farm.crew.upload(9_200_000)
        of_it = lambda: [one for one in events if one.get("uuid") == submission.id]  # noqa: E731
        wait_until(lambda: "task-succeeded" in [one["type"] for one in of_it()], 30)
        receiver.should_stop = True
        listening.join()
    app.close()
    came = [one["timestamp"] for one in of_it() if one["type"] == "task-progress"]
    *moving, last = came
    assert len(moving) >= 6
    # The events' own times: each is a moment after it was due, on a busy machine a long one.
    gaps = [third - first for first, third in zip(moving, moving[2:], strict=False)]
    assert statistics.median(gaps) > 0.95, gaps
    # In every stretch of time two a second, and one more where the first of a stretch came late.
    for first, began in enumerate(moving):
        for further, ended in enumerate(moving[first:]):
            assert further <= 2 * (ended - began) + 1, moving
    assert len(came) <= 2 * (last - came[0]) + 2


def test_late_events_change_nothing_in_a_real_flower(farm: Farm) -> None:
    ends = {
        "SUCCESS": ("task-succeeded", {"result": "'done'", "runtime": 1.0}),
        "FAILURE": ("task-failed", {"exception": "DiskFull('No room.')"}),
        "REVOKED": ("task-revoked", {"reason": "Not wanted."}),
        "RETRY": ("task-retried", {"exception": "Stalled('No byte.')"}),
    }
    figures = {"bytes_read": 40, "total": 100, "percent": 40.0, "attempt": 1, "elapsed": 1.0}
    app = Celery(broker=farm.crew.redis.url(0))
    with app.connection() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="late@worker")
        before = {}
        for state, (type_, fields) in ends.items():
            dispatcher.send("task-progress", uuid=f"late-{state}", name="x", **figures)
            dispatcher.send(type_, uuid=f"late-{state}", **fields)
        for state in ends:
            wait_until(lambda s=state: farm.flower.task(f"late-{s}").get("state") == s, 15)
            before[state] = farm.flower.task(f"late-{state}")
        for state in ends:
            late = {**figures, "bytes_read": 60, "result": "late", "elapsed": 30.0}
            dispatcher.send("task-progress", uuid=f"late-{state}", name="x", **late)
        dispatcher.send("task-started", uuid="after-all")
        wait_until(lambda: farm.flower.task("after-all"), 15)
        for state in ends:
            assert farm.flower.task(f"late-{state}") == before[state]
        # The retried one's next attempt, however, moves it again.
        dispatcher.send("task-progress", uuid="late-RETRY", name="x", **{**figures, "attempt": 2})
        wait_until(lambda: farm.flower.task("late-RETRY")["state"] == "PROGRESS", 15)
    app.close()


def test_figures_sort_as_numbers_and_files_are_found(farm: Farm) -> None:
    app = Celery(broker=farm.crew.redis.url(0))
    with app.connection() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="sorted@worker")
        for percent in (9.5, 100.0, 10.0):
            path = f"/projects/{100 - percent}/Sorted_{percent:g}.mov"
            figures = {"percent": percent, "bytes_read": int(percent), "file": path}
            dispatcher.send("task-progress", uuid=f"sorted-{percent:g}", name="x", **figures)
    app.close()
    wait_until(lambda: farm.flower.task("sorted-10"), 15)

    def listed(search: str, column: str, direction: str) -> list[str]:
        query = urlencode(
            {
                "draw": 1,
                "start": 0,
                "length": 10,
                "search[value]": search,
                "order[0][column]": 0,
                "columns[0][data]": column,
                "order[0][dir]": direction,
            }
        )
        status, text = farm.flower.ask(f"/tasks/datatable?{query}")
        assert status == 200
        return [one["uuid"].removeprefix("sorted-") for one in json.loads(text)["data"]]

    assert listed("sorted_", "percent", "asc") == ["9.5", "10", "100"]
    assert listed("sorted_", "percent", "desc") == ["100", "10", "9.5"]
    # By name, not by folder.
    assert listed("sorted_", "file", "asc") == ["10", "100", "9.5"]
    # They began before Flower heard of them: in the order in which it did.
    assert listed("sorted_", "received", "asc") == ["9.5", "100", "10"]
    assert listed("Sorted_9.5.mov state:PROGRESS", "state", "asc") == ["9.5"]


def test_a_flower_that_comes_late_knows_what_moves_and_what_has_ended(
    farm: Farm, page: playwright.Page, moving: Submission, tmp_path_factory: pytest.TempPathFactory
) -> None:
    failed = submit.upload_working_file(WORKING_FILE, "/nowhere/sh010.ma")
    wait_until(lambda: failed.record().is_final, 20)
    with running_flower(tmp_path_factory.mktemp("late"), farm.addresses()) as late:
        wait_until(lambda: late.task(moving.id).get("bytes_read"), 10)
        task = late.task(moving.id)
        assert (task["name"], task["state"]) == ("farm_tasks.upload_working_file", "PROGRESS")
        assert task["file"] == str(farm.crew.folder / "60000000.ma")
        # No event will come of this one: its page is filled from Redis.
        page.goto(f"{late.url}/task/{failed.id}")
        assert page.locator(".ft-title").inner_text() == "sh010.ma"
        assert "is not under" in page.locator(".ft-card .ft-reason").inner_text()
        assert late.ask("/task/00000000-0000-4000-8000-000000000000")[0] == 404
