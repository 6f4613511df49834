"""Progress that is passed on: as it is, as one step of a whole, or with the time of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable

from farm_tasks.transfer.progress import (
    ProgressCallback,
    announce,
    check,
    follow,
    frames,
    moved,
    on_stop,
)


class Relay:
    """Passes all that a progress callback may be asked on to another one.

    Args:
        callback: The other one, or None.
    """

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback

    def __call__(self, bytes_read: int, total: int) -> None:
        """Pass on how far the transfer is."""
        if self._callback is not None:
            self._callback(bytes_read, total)

    def announce(self, stage: str) -> None:
        """Pass the stage on."""
        announce(self._callback, stage)

    def frames(self, done: int, total: int) -> None:
        """Pass on how many frames are made."""
        frames(self._callback, done, total)

    def follow(self, count: Callable[[], int] | None) -> None:
        """Have ``count`` asked, or no more."""
        follow(self._callback, count)

    def moved(self, count: int) -> None:
        """Pass on what went over the wire."""
        moved(self._callback, count)

    def check(self) -> None:
        """Raise what ends the whole, if it was stopped."""
        check(self._callback)

    def on_stop(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when the whole is stopped."""
        on_stop(self._callback, wake)


class Share(Relay):
    """One step's progress, placed within that of the whole.

    Args:
        callback: That of the whole.
        before: Bytes of the steps before.
        total: Bytes of all steps.
    """

    def __init__(self, callback: ProgressCallback | None, before: int, total: int) -> None:
        super().__init__(callback)
        self._before = before
        self._total = total

    def __call__(self, bytes_read: int, total: int) -> None:
        """Note how far the step is; its own total is a part of the whole's."""
        super().__call__(self._before + bytes_read, self._total)

    def follow(self, count: Callable[[], int] | None) -> None:
        """Have ``count`` asked for this step's bytes, or no more."""
        super().follow(None if count is None else lambda: self._before + count())


class StageClock(Relay):
    """Hears the stages go by, and keeps how long each took.

    Args:
        callback: Hears all of it as well.
    """

    def __init__(self, callback: ProgressCallback | None) -> None:
        super().__init__(callback)
        self._stage = ""
        self._since = time.monotonic()
        self._seconds: dict[str, float] = {}

    def announce(self, stage: str) -> None:
        """Note that another stage begins."""
        self._count()
        self._stage = stage
        super().announce(stage)

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage until now, by its name."""
        self._count()
        return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}

    def _count(self) -> None:
        now = time.monotonic()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
