"""How fast all transfers of a worker together may go: one lane for each direction.

A lane is a moment in memory that the pool's processes share: the time from which on the next piece
may move. Whoever has a piece moves that moment on by what the piece takes at the lane's rate, then
waits for its turn, so pieces of all transfers take turns. Where the moment lies in the past, what
was not used is lost but for a tenth of a second.

The lock is the kernel's, which takes it back from a process that was killed; nobody sleeps with it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

BURST = 0.1
"""Seconds whose bytes may be made up for when they were not used."""

PIECES_A_SECOND = 20
"""So often something moves, at least, where one transfer has the lane to itself."""

LEAST_PIECE = 4096

LONGEST_SLEEP = 0.25
"""Seconds between two looks whether the transfer is to end."""

LOOK_EVERY = 1.0
"""Seconds after which a process looks again how fast it may go now."""

_NS = 1_000_000_000


class Lane:
    """One direction. To be made before the pool's processes are forked.

    Args:
        rate: Tells how many bytes per second may move now, or None if there is no limit now.
    """

    def __init__(self, rate: Callable[[], float | None]) -> None:
        self._ask = rate
        self._asked_at = 0.0
        self._rate: float | None = None
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        # The moment in nanoseconds of time.monotonic, and the rate that it was reckoned with.
        self._slots = memoryview(self._memory).cast("q")
        self._lock = _Lock()

    def rate(self) -> float | None:
        """Bytes per second that may move now; looked up again every second."""
        now = time.monotonic()
        if now >= self._asked_at + LOOK_EVERY:
            self._rate, self._asked_at = self._ask(), now
        return self._rate

    def piece(self, most: int) -> int:
        """How many bytes to move at a time: all of ``most`` while there is no limit."""
        rate = self.rate()
        return most if rate is None else min(most, max(LEAST_PIECE, int(rate / PIECES_A_SECOND)))

    def wait(self, size: int, check: Callable[[], object]) -> None:
        """Wait for the turn of ``size`` bytes.

        Args:
            size: Bytes about to move, or that just have.
            check: Raises when the transfer is to end; asked four times a second.
        """
        rate = self.rate()
        if rate is None:
            return
        turn = self._take(size, rate)
        # A rate that has changed meanwhile ends the wait: the next piece is reckoned with that.
        while (left := turn - time.monotonic_ns()) > 0 and self.rate() == rate:
            check()
            time.sleep(min(left / _NS, LONGEST_SLEEP))

    def _take(self, size: int, rate: float) -> int:
        with self._lock:
            now = time.monotonic_ns()
            moment = self._slots[0] if self._slots[1] == int(rate) else now
            turn = max(moment, now - int(BURST * _NS))
            self._slots[0] = turn + int(size / rate * _NS)
            self._slots[1] = int(rate)
        return turn


class _Lock:
    """Between the threads of a process and, where processes are forked, between these.

    POSIX locks belong to a process, and end with it.
    """

    def __init__(self) -> None:
        self._threads = threading.Lock()
        # Empty, and never written to: a disk that is full does not matter.
        self._file = tempfile.TemporaryFile() if os.name == "posix" else None  # noqa: SIM115
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._threads = threading.Lock()  # another thread of the parent may have held it

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            self._lock_file(lock=True)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._lock_file(lock=False)
        finally:
            self._threads.release()

    def _lock_file(self, *, lock: bool) -> None:
        if self._file is not None:
            import fcntl  # noqa: PLC0415 (not everywhere)

            fcntl.lockf(self._file, fcntl.LOCK_EX if lock else fcntl.LOCK_UN)


_up: Lane | None = None
_down: Lane | None = None


def up() -> Lane | None:
    """The lane for uploads, or None if they are never limited."""
    return _up


def down() -> Lane | None:
    """The lane for downloads, or None if they are never limited."""
    return _down


def install(upwards: Lane | None, downwards: Lane | None) -> None:
    """Have all transfers of this process, and of those that it forks, keep to these lanes."""
    global _up, _down
    _up, _down = upwards, downwards


@contextlib.contextmanager
def limited(upwards: Lane | None, downwards: Lane | None) -> Iterator[None]:
    """The same, inside the block."""
    before = _up, _down
    install(upwards, downwards)
    try:
        yield
    finally:
        install(*before)
