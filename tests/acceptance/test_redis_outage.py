"""Redis may go away or hang: the bytes go on, and how it ended is known once Redis is back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import FileChanged
from farm_tasks.submit import Submission
from farm_tasks.transfer.progress import Progress
from tests.acceptance.farm import MB, Farm, running_farm
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until

pytestmark = pytest.mark.alone

RATE = 20 * MB
OUTAGE = 5
"""Seconds, measured by the bytes that move meanwhile."""

WORST_GAP = 0.5
FRESH_AFTER = 2.5
"""Seconds after the outage in which the figure has caught up."""


class Watcher:
    """Someone who watches a submission from before the outage until its end."""

    def __init__(self, submission: Submission) -> None:
        self.seen: list[Progress] = []
        self.error: BaseException | None = None
        self._submission = submission
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            for progress in self._submission.watch(timeout=60):
                self.seen.append(progress)
        except BaseException as error:
            self.error = error

    def join(self) -> list[Progress]:
        self._thread.join(30)
        assert not self._thread.is_alive(), "watch() has not ended"
        assert self.error is None, repr(self.error)
        return self.seen


def begin(farm: Farm, outage: str) -> None:
    farm.redis.kill() if outage == "killed" else farm.redis.hang()


def end(farm: Farm, outage: str) -> None:
    farm.redis.start() if outage == "killed" else farm.redis.resume()


@pytest.mark.parametrize("outage", ["killed", "hung"])
def test_a_transfer_goes_on_and_its_end_is_known_after_redis_was(
    fragile_farm: Farm, outage: str
) -> None:
    farm = fragile_farm
    size = 9 * RATE
    path = farm.new_file("up.ma", size)
    farm.kitsu.serve(0, RATE)
    submission = submit.upload_working_file(WORKING_FILE, str(path))
    watcher = Watcher(submission)
    wait_until(lambda: farm.kitsu.moved(0) > RATE, 20)
    shown_before = submission.progress().bytes_read

    begin(farm, outage)
    wait_until(lambda: farm.kitsu.moved(0) > (1 + OUTAGE) * RATE, OUTAGE + 10)
    end(farm, outage)
    back = time.monotonic()

    def is_fresh() -> bool:
        asked = time.monotonic()
        return submission.progress().bytes_read >= farm.kitsu.transfer(0).at(asked - 0.75)

    wait_until(is_fresh, 20)
    fresh_after = time.monotonic() - back
    print(f"fresh {fresh_after:.2f} s after the outage")
    assert fresh_after < FRESH_AFTER
    wait_until(lambda: farm.kitsu.ended, 20)
    ended = time.monotonic()
    assert submission.wait(60)["size"] == size
    print(f"known {time.monotonic() - ended:.2f} s after the end")
    assert submission.state == "SUCCESS"
    assert submission.progress().bytes_read == size
    gap = farm.kitsu.transfer(0).worst_gap()
    print(f"worst gap {gap * 1000:.0f} ms")
    assert gap < WORST_GAP
    seen = watcher.join()
    assert seen[-1].stage == "done"
    assert any(shown_before < one.bytes_read < size for one in seen), "it saw only the end"


@pytest.mark.parametrize("outage", ["killed", "hung"])
def test_how_transfers_ended_while_redis_was_away_is_known_afterwards(
    tmp_path: Path, outage: str
) -> None:
    size = 3 * RATE
    with running_farm(tmp_path, concurrency=2) as farm:
        farm.kitsu.serve(0, RATE)
        good = submit.upload_working_file(WORKING_FILE, str(farm.new_file("good.ma", size)))
        bad = submit.upload_working_file(WORKING_FILE, str(farm.new_file("bad.ma", size)))
        wait_until(lambda: min(farm.kitsu.moved(0), farm.kitsu.moved(1)) > RATE / 2, 20)
        wait_until(lambda: {good.state, bad.state} == {"PROGRESS"}, 20)

        begun = time.monotonic()
        begin(farm, outage)
        with (farm.folder / "bad.ma").open("ab") as growing:
            growing.write(b"a render that has not ended")
        wait_until(lambda: farm.kitsu.ended, 10)
        wait_until(lambda: time.monotonic() - begun > OUTAGE, 2 * OUTAGE)
        end(farm, outage)

        assert good.wait(30)["size"] == size
        with pytest.raises(FileChanged):
            bad.wait(30)
        farm.worker.stop()
        assert (good.state, bad.state) == ("SUCCESS", "FAILURE")
        assert good.progress().bytes_read == size


def test_a_figure_that_arrives_late_never_overwrites_how_a_transfer_ended(tmp_path: Path) -> None:
    size = 3 * RATE
    with running_farm(tmp_path, concurrency=2, by_road=True) as farm:
        farm.kitsu.serve(0, RATE)
        good = submit.upload_working_file(WORKING_FILE, str(farm.new_file("good.ma", size)))
        bad = submit.upload_working_file(WORKING_FILE, str(farm.new_file("bad.ma", size)))
        wait_until(lambda: {good.state, bad.state} == {"PROGRESS"}, 20)

        farm.road.hold(b'"PROGRESS"')
        with (farm.folder / "bad.ma").open("ab") as growing:
            growing.write(b"a render that has not ended")
        assert good.wait(30)["size"] == size
        with pytest.raises(FileChanged):
            bad.wait(30)
        assert any(good.id.encode() in data for _, data in farm.road.held)
        assert any(bad.id.encode() in data for _, data in farm.road.held)
        figures = b"".join(data for _, data in farm.road.held).count(b'"PROGRESS"')
        before = writes(farm)
        farm.road.release()
        wait_until(lambda: writes(farm) >= before + figures, 10)

        assert (good.state, bad.state) == ("SUCCESS", "FAILURE")


def writes(farm: Farm) -> int:
    """How many states Redis has been told to store, in whichever way."""
    with farm.redis.client() as client:
        statistics = client.info("commandstats")
    return sum(
        statistics.get(f"cmdstat_{name}", {}).get("calls", 0)
        for name in ("eval", "evalsha", "setex")
    )
