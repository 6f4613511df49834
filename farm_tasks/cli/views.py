"""How submissions are watched: as JSON for programs, as lines in a log, as bars on a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

import click

from farm_tasks.cli import text
from farm_tasks.cli.outcome import as_dict, print_json, reason

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record

LINE_SECONDS = 5.0
LINE_PERCENT = 10.0
"""A log gets a line at each change of stage, each 10 %, and otherwise each 5 seconds."""

MANY = 10
"""With more submissions than this, a log gets their ends, and what takes longer than 5 seconds."""


class View(Protocol):
    """Shows records as they change."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, record: Record) -> None:
        """Take note of a record that changed."""


def choose(ids: Sequence[str], *, as_json: bool = False, on_stderr: bool = False) -> View:
    """The view that fits the place where the output goes.

    Args:
        ids: The submissions that will be shown, in order.
        as_json: One JSON object per line, on stdout.
        on_stderr: Leave stdout to something else.
    """
    if as_json:
        return JsonLines()
    stream = sys.stderr if on_stderr else sys.stdout
    if stream.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}:
        from farm_tasks.cli.bars import Bars  # noqa: PLC0415 (rich is for terminals only)

        return Bars(ids, stream)
    return Lines(stream, len(set(ids)))


class _Plain:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class JsonLines(_Plain):
    """Each change as one JSON object on one line of stdout."""

    def show(self, record: Record) -> None:
        """Print it."""
        print_json(as_dict(record))
        sys.stdout.flush()


class Silent(_Plain):
    """Nothing."""

    def show(self, record: Record) -> None:
        """Do nothing."""


class Lines(_Plain):
    """Lines for a log, not too many.

    Args:
        stream: Where they go.
        count: How many submissions will be shown.
    """

    def __init__(self, stream: TextIO, count: int = 1) -> None:
        self._stream = stream
        self._count = count
        self._ended: set[str] = set()
        self._printed: dict[str, tuple[tuple[object, ...], float, float]] = {}

    def show(self, record: Record) -> None:
        """Print a line if enough has changed since the last one."""
        progress = record.progress
        phase = (progress.stage or record.state, progress.attempt)
        percent = progress.percent or 0.0
        now = time.monotonic()
        known = record.id in self._printed
        phase_then, percent_then, then = self._printed.get(record.id, ((), 0.0, now))
        if record.is_final:
            self._ended.add(record.id)
        if self._count > MANY:
            is_news = record.is_final or (record.error is not None and phase != phase_then)
        else:
            is_news = not known or phase != phase_then or percent >= percent_then + LINE_PERCENT
        if is_news or now - then >= LINE_SECONDS:
            self._print(record)
        elif known:
            return
        self._printed[record.id] = (phase, percent, now)

    def _print(self, record: Record) -> None:
        count = f"[{len(self._ended)}/{self._count}] " if self._count > 1 else ""
        clock = time.strftime("%H:%M:%S")
        click.echo(f"{clock} {count}{text.plain(record.id)} {describe(record)}", file=self._stream)
        self._stream.flush()


def describe(record: Record) -> str:
    """A record in one line: ``shot.mp4: uploading, 42 %, 12.3/29.4 MB, 11.2 MB/s, 0:02 left``."""
    progress = record.progress
    parts = [text.one_line(progress.stage or record.state.lower())]
    if progress.percent is not None:
        parts.append(f"{progress.percent:.0f} %")
    if progress.bytes_read or progress.total:
        parts.append(text.sizes(progress.bytes_read, progress.total))
    if progress.rate > 0:
        parts.append(text.rate(progress.rate))
    if progress.eta:
        parts.append(f"{text.duration(progress.eta)} left")
    if progress.attempt > 1:
        parts.append(f"attempt {progress.attempt}")
    name = text.file_name(progress.file) or text.plain(record.function)
    why = f": {text.one_line(reason(record))}" if record.error is not None else ""
    return f"{name}: {', '.join(parts)}{why}"
