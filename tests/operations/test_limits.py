"""What a real worker makes of its limits, in every pool."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.operations

SECONDS = 5.0
EXACT = 0.05
TRIES = 6
"""Of so many times, one has to be quiet enough for the figures that need it."""


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        yield crew


def _download(crew: Crew, size: int) -> Submission:
    crew.kitsu.serve(size)
    return submit.download_working_file(WORKING_FILE, str(crew.folder / f"{size}.down"))


def _rates(crew: Crew, numbers: range, skipped: int) -> Iterator[list[float]]:
    """Bytes per second of each transfer, over some seconds each time, in ascending order."""
    wait_until(lambda: crew.kitsu.begun >= numbers.stop, 30)
    wait_until(lambda: all(crew.kitsu.moved(one) > skipped for one in numbers), 30)
    for _ in range(TRIES):
        begun, before = time.monotonic(), [crew.kitsu.moved(one) for one in numbers]
        time.sleep(SECONDS)  # the figure is what moves in that time
        after, ended = [crew.kitsu.moved(one) for one in numbers], time.monotonic()
        yield sorted((b - a) / (ended - begun) for a, b in zip(before, after, strict=True))


def _are(rates: list[float], expected: list[float], exact: float) -> bool:
    """Whether they are what is expected."""
    # A busy machine leaves bytes in sockets for a while, and no more than that comes on top.
    assert all(rate < 1.25 * limit for rate, limit in zip(rates, expected, strict=True))
    return rates == pytest.approx(expected, rel=exact)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_keeps_to_its_bandwidth_however_many_of_its_slots_move(
    crew: Crew, pool: str
) -> None:
    crew.join(pool, 4, "farm_tasks", FARM_TASKS_BANDWIDTH="up 20MB/s down 12MB/s")
    pair = [crew.upload(1000 * MB), _download(crew, 1000 * MB)]
    seen = _rates(crew, range(2), 5 * MB)
    assert any(_are(rates, [12 * MB, 20 * MB], EXACT) for rates in seen)
    for one in pair:
        one.cancel()
    wait_until(lambda: all(one.state == "REVOKED" for one in pair), 5)
    four = [crew.upload((1000 + number) * MB) for number in range(4)]
    assert any(
        _are([sum(rates)], [20 * MB], EXACT) and rates == pytest.approx([5 * MB] * 4, rel=0.2)
        for rates in _rates(crew, range(2, 6), MB)
    )
    for one in four:
        one.cancel()
    wait_until(lambda: all(one.state == "REVOKED" for one in four), 5)  # or the worker waits


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_begins_no_more_transfers_than_its_rate_and_holds_no_others(
    crew: Crew, pool: str
) -> None:
    slow = crew.join(pool, 4, "farm_tasks", FARM_TASKS_RATE="120/m")
    files = [crew.upload(1000 + number) for number in range(6)]
    asked = time.monotonic()
    most_held = 0
    while crew.kitsu.begun < 6:
        most_held = max(most_held, len(crew.held()))
        assert time.monotonic() - asked < 60
        time.sleep(0.01)
    # Five half-seconds after the first; on a busy machine, somewhat more. The server's own clock:
    # this process may see the first one late.
    (first, *_), (last, *_) = (crew.kitsu.transfer(number).times for number in (0, 5))
    assert 2.0 < last - first < 8
    assert most_held <= 1, "messages that may not begin wait where others can have them"
    for one in files:
        one.wait(timeout=40)
    assert slow.process is not None
    assert slow.process.poll() is None


def test_what_one_worker_may_not_begin_goes_to_another(crew: Crew) -> None:
    slow = crew.join("prefork", 2, "farm_tasks", FARM_TASKS_RATE="1/m")
    crew.upload(1000).wait(timeout=40)  # the one that it may begin in this minute
    crew.join("prefork", 2, "farm_tasks")
    for one in [crew.upload(2000 + number) for number in range(4)]:
        one.wait(timeout=40)
    assert slow.log.read_text().count("succeeded") == 1
