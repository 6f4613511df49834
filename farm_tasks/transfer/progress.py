"""How far a transfer is: a value that travels, and the meter that it is read from."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

ProgressCallback = Callable[[int, int], object]
"""``callback(bytes_read, total)``, as gazu defines it; ``total`` is 0 when unknown."""

RATE_WINDOW = 5.0
"""Seconds over which the rate is averaged: steady to the eye, yet quick to show a stall."""

SILENCE = 0.25
"""Seconds without a piece after which a reading asks for itself: half of what lies between two
readings of the worker's reporter."""

FRAMES_SHARE = 0.8
"""What of the whole the frames are, where a movie is made of them first: that takes longer than its
upload (docs/media.md), and a bar must not fall back between the two."""


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """One reading of a transfer.

    Attributes:
        bytes_read: Bytes transferred so far, as gazu's callback counts them: file bytes, without
            the multipart framing. Never falls within an attempt.
        total: Combined size of all files in bytes, 0 when unknown.
        stage: What is being done, in a word or two: ``queued``, ``uploading``, ``downloading``,
            ``waiting for Kitsu``, ``done``, ...
        rate: Bytes per second over the last few seconds.
        eta: Seconds left at that rate, or None when it cannot be told.
        file: The path or name that a person knows the transfer by.
        attempt: 1 for the first try.
        updated: When it was read, in seconds since the epoch.
        frames_done: Frames made into a movie so far, where one is made before it is uploaded.
        frames_total: Frames that it will have; 0 where none is made.
    """

    bytes_read: int = 0
    total: int = 0
    stage: str = ""
    rate: float = 0.0
    eta: float | None = None
    file: str = ""
    attempt: int = 1
    updated: float = 0.0
    frames_done: int = 0
    frames_total: int = 0

    @property
    def percent(self) -> float | None:
        """0 to 100, or None when the total is unknown. Of a movie to be made, frames come first."""
        moved = min(1.0, self.bytes_read / self.total) if self.total > 0 else None
        if self.frames_total <= 0:
            return None if moved is None else 100.0 * moved
        made = min(1.0, self.frames_done / self.frames_total)
        return 100.0 * (FRAMES_SHARE * made + (1 - FRAMES_SHARE) * (moved or 0.0))

    def to_dict(self) -> dict[str, Any]:
        """The JSON-safe form that goes through Redis, ``percent`` included."""
        percent = self.percent
        frames = {"frames_done": self.frames_done, "frames_total": self.frames_total}
        return {
            "bytes_read": self.bytes_read,
            "total": self.total,
            "percent": None if percent is None else round(percent, 2),
            "stage": self.stage,
            "rate": round(self.rate, 1),
            "eta": None if self.eta is None else round(self.eta, 1),
            "file": self.file,
            "attempt": self.attempt,
            "updated": round(self.updated, 3),
            **(frames if self.frames_total else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Progress:
        """The reverse of :meth:`to_dict`; fields that it does not know are left out."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})


class Meter:
    """Counts one transfer. Called by the thread that moves the bytes, read by any other.

    It is a :data:`ProgressCallback`, and cheap enough to be called for every piece: it keeps two
    integers, and computes nothing until :meth:`read` is asked for a :class:`Progress`.

    Args:
        file: See :class:`Progress`.
        total: Size in bytes where it is known before the first piece.
        stage: What the transfer begins with.
        attempt: 1 for the first try.
        clock: Seconds that never go back.

    Attributes:
        moved_bytes: File bytes that a socket has taken or given: what is sent again counts again,
            and what an earlier attempt has done does not.
    """

    def __init__(
        self,
        file: str = "",
        total: int = 0,
        stage: str = "",
        attempt: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self.stage = stage
        self.attempt = attempt
        self._count = (0, total)
        self._frames = (0, 0)
        self._followed: Callable[[], int] | None = None
        self._clock = clock
        self._readings: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)
        self.moved_bytes = 0
        self._stop: Exception | None = None
        self._wakes: list[Callable[[], object]] = []

    def __call__(self, bytes_read: int, total: int) -> None:
        """Note how far the transfer is.

        Raises:
            Exception: what :meth:`stop` was given, to end the transfer from here.
        """
        self.check()
        # A body that is sent again (a token was refreshed, a redirect) starts over at 0: the bar
        # waits at its high-water mark. One tuple, so that a reader never sees half an update.
        self._count = (max(bytes_read, self._count[0]), total or self._count[1])

    def frames(self, done: int, total: int) -> None:
        """Note how many frames of a movie are made.

        Raises:
            Exception: what :meth:`stop` was given.
        """
        self.check()
        self._frames = (done, total)

    def follow(self, count: Callable[[], int] | None) -> None:
        """Ask ``count`` at each reading while the thread that counts is silent; None for no more.

        It waits for a slow line, or for an answer, and the last bytes arrive meanwhile.
        """
        self._followed = count

    def moved(self, count: int) -> None:
        """Note that ``count`` more bytes went over the wire."""
        self.moved_bytes += count
        self._last = (self._clock(), self.moved_bytes)
        self._first = self._first or self._last

    @property
    def throughput(self) -> float | None:
        """Bytes per second from the first piece to the last; None of less than two pieces."""
        if self._first is None or self._last[0] <= self._first[0]:
            return None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])

    def stop(self, error: Exception) -> None:
        """Make the next call raise ``error`` in the thread that moves the bytes.

        Should that thread be waiting for the network, its connection is cut so that it comes back.
        """
        self._stop = error
        for wake in list(self._wakes):
            wake()

    def on_stop(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called, in the thread that calls :meth:`stop`."""
        self._wakes.append(wake)

    def check(self) -> None:
        """Raise what :meth:`stop` was given, if it was called."""
        if self._stop is not None:
            raise self._stop

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stop is not None

    def announce(self, stage: str) -> None:
        """Say what is being done now."""
        self.stage = stage

    def read(self) -> Progress:
        """A reading as of now. To be called by one thread at a time."""
        now = self._clock()
        bytes_read, total = self._count
        followed = self._followed
        if followed is not None and now - self._last[0] > SILENCE:
            bytes_read = max(bytes_read, followed())
        bytes_read = max(bytes_read, self._readings[-1][1])  # which may be of such an answer
        frames_done, frames_total = self._frames
        self._readings.append((now, bytes_read))
        while len(self._readings) > 2 and now - self._readings[1][0] >= RATE_WINDOW:
            self._readings.popleft()
        since, bytes_then = self._readings[0]
        elapsed = now - since
        rate = (bytes_read - bytes_then) / elapsed if elapsed > 0 else 0.0
        left = max(0, total - bytes_read)
        if total == 0:
            eta = None
        elif left == 0:
            eta = 0.0
        else:
            eta = left / rate if rate > 0 else None
        return Progress(
            bytes_read=bytes_read,
            total=total,
            stage=self.stage,
            rate=rate,
            eta=eta,
            file=self.file,
            attempt=self.attempt,
            updated=time.time(),
            frames_done=frames_done,
            frames_total=frames_total,
        )


def announce(callback: object, stage: str) -> None:
    """Tell ``callback`` the stage if it is one that listens, such as a :class:`Meter`."""
    listen = getattr(callback, "announce", None)
    if listen is not None:
        listen(stage)


def moved(callback: object, count: int) -> None:
    """Tell ``callback`` what went over the wire if it counts that, as a :class:`Meter` does."""
    listen = getattr(callback, "moved", None)
    if listen is not None:
        listen(count)


def follow(callback: object, count: Callable[[], int] | None) -> None:
    """Have ``callback`` ask ``count`` for what it was not told, if it can, as a :class:`Meter`."""
    listen = getattr(callback, "follow", None)
    if listen is not None:
        listen(count)


def frames(callback: object, done: int, total: int) -> None:
    """Tell ``callback`` how many frames are made if it counts them, as a :class:`Meter` does."""
    listen = getattr(callback, "frames", None)
    if listen is not None:
        listen(done, total)


def check(callback: object) -> None:
    """Raise what ends the transfer if ``callback`` knows of it, as a :class:`Meter` does."""
    ask = getattr(callback, "check", None)
    if ask is not None:
        ask()


def on_stop(callback: object, wake: Callable[[], object]) -> None:
    """Have ``wake`` called when ``callback`` is told to stop, if it is one that can be."""
    listen = getattr(callback, "on_stop", None)
    if listen is not None:
        listen(wake)
