"""Progress is true: what Redis shows is compared with what has arrived at the other end."""

from __future__ import annotations

import bisect
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.acceptance.farm import MB, MIB, Farm
from tests.support.discarding_kitsu import WORKING_FILE

pytestmark = pytest.mark.alone

SIZE = 256 * MIB
RATE = 50 * MB
QUICK = 256 * MIB

AHEAD = MIB
"""Bytes that may be on the way: taken from the worker, not yet read by the server."""

TRIES = 3
"""Transfers, of which one has to be in time; nothing else is forgiven any of them."""

BEHIND = 0.75
"""Seconds: half a second between two reports, and a quarter to write and to read one."""


@dataclass(frozen=True)
class Reading:
    """What Redis showed, and what had moved when it was read."""

    asked: float
    shown: int
    moved: int


def follow(submission: Submission, moved: Callable[[], int]) -> list[Reading]:
    """Read the progress ten times a second, and each time what had moved right after."""
    readings = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = time.monotonic()
        progress = submission.progress()
        readings.append(Reading(asked, progress.bytes_read, moved()))
        if progress.stage in {"done", "failed", "cancelled"}:
            return readings
        time.sleep(max(0.0, asked + 0.1 - time.monotonic()))
    raise AssertionError(f"not ended: {readings[-1]}")


class Arrivals:
    """How large the file in a folder was at each moment, under whatever name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._times: list[float] = []
        self._sizes: list[int] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Arrivals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def now(self) -> int:
        """The size now; 0 before the file is there."""
        sizes = [0]
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    sizes.append(os.stat(entry.path).st_size)
                except FileNotFoundError:  # it was renamed since the folder was read
                    sizes.append(self._sizes[-1])
        return max(sizes)

    def at(self, moment: float) -> int:
        index = bisect.bisect_right(self._times, moment)
        return self._sizes[index - 1] if index else 0

    def _look(self) -> None:
        while not self._stopped.wait(0.01):
            # The time is taken last: the size was reached no later than that.
            self._sizes.append(self.now())
            self._times.append(time.monotonic())


def is_in_time(
    readings: list[Reading], size: int, arrived_by: Callable[[float], int], ahead: int
) -> bool:
    """Check the promises of a progress bar, and tell whether it was never late.

    That alone is no promise of ours in a moment in which the machine does not let the worker run.
    """

    def lead(one: Reading) -> int:
        return one.shown - arrived_by(one.asked - BEHIND)

    shown = [one.shown for one in readings]
    most_ahead = max(one.shown - one.moved for one in readings)
    most_behind = max(-lead(one) for one in readings)
    moving = [one for one in readings if 0 < one.shown < size]
    print(f"most ahead {max(one.shown - one.moved for one in moving)} bytes,")
    print(f"least lead over {BEHIND} s ago {min(map(lead, moving))} bytes, {len(set(shown))=}")
    assert most_ahead <= ahead, "it says more than has moved"
    assert shown == sorted(shown), "it falls"
    assert len(set(shown)) >= 8, "it jumps"
    assert shown[-1] == size, "it does not end at the total"
    return most_behind <= 0


@pytest.mark.parametrize("quick", [0, QUICK])
def test_an_upload_never_shows_more_than_the_server_has_read_and_is_never_late(
    quick: int, farm: Farm
) -> None:
    """Where the server reads fast at first, its kernel then takes 32 MiB that nobody reads."""
    size = quick + SIZE
    path = farm.new_file("up.ma", size)
    farm.kitsu.serve(0, RATE, quick)

    def was_in_time() -> bool:
        number = farm.kitsu.begun
        submission = submit.upload_working_file(WORKING_FILE, str(path))
        readings = follow(submission, lambda: farm.kitsu.moved(number))
        assert submission.wait(10)["size"] == size
        transfer = farm.kitsu.transfer(number)
        assert transfer.seconds > 0.9 * SIZE / RATE
        return is_in_time(readings, size, transfer.at, AHEAD)

    assert any(was_in_time() for _ in range(TRIES)), f"it is more than {BEHIND} s behind"


def test_a_download_never_shows_more_than_is_in_the_file_and_is_never_late(farm: Farm) -> None:
    farm.kitsu.serve(SIZE, RATE)

    def was_in_time(folder: Path) -> bool:
        folder.mkdir()
        number = farm.kitsu.begun
        with Arrivals(folder) as arrivals:
            submission = submit.download_working_file(WORKING_FILE, str(folder / "down.ma"))
            readings = follow(submission, lambda: min(farm.kitsu.moved(number), arrivals.now()))
        assert submission.wait(10)["size"] == SIZE
        # gazu's file object may still hold this much of what was counted.
        return is_in_time(readings, SIZE, arrivals.at, io.DEFAULT_BUFFER_SIZE)

    folders = [farm.folder / f"down{number}" for number in range(TRIES)]
    assert any(map(was_in_time, folders)), f"it is more than {BEHIND} s behind"
