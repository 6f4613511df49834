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
from farm_tasks.farms.dialects import DIALECTS, Dialect
from farm_tasks.states import SUCCESS

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record

DIALECT_SECONDS = 0.5
"""Between two reports to a farm, which keeps every line in a log."""

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


def choose_dialect(name: str, ids: Sequence[str], *, on_stderr: bool = False) -> View:
    """The view for ``--progress NAME``.

    Args:
        name: One of :data:`farm_tasks.farms.dialects.NAMES`. ``bar`` is what :func:`choose` takes.
        ids: The submissions that will be shown, in order.
        on_stderr: Where a bar goes. What farms and programs read goes to stdout.
    """
    if name in DIALECTS:
        return FarmLines(DIALECTS[name], sys.stdout, ids)
    if name == "none":
        return Silent()
    return choose(ids, as_json=name == "json", on_stderr=on_stderr)


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


class FarmLines(_Plain):
    """Lines that a farm reads from the output of the command: how far it is, and what it does.

    100 % is said of success alone: a movie that is sent is not yet one that Kitsu has processed.

    Args:
        dialect: How the farm wants to be told.
        stream: Where it reads.
        ids: The submissions that will be shown; of several, the mean of their percentages.
    """

    def __init__(self, dialect: Dialect, stream: TextIO, ids: Sequence[str]) -> None:
        self._dialect = dialect
        self._stream = stream
        self._percents = dict.fromkeys(ids, 0.0)
        self._open = set(ids)
        self._succeeded: set[str] = set()
        self._said: tuple[int | None, str | None] = (None, None)
        self._at = -DIALECT_SECONDS

    def show(self, record: Record) -> None:
        """Print what has changed, at most twice a second; the end of each in any case."""
        self._percents[record.id] = record.progress.percent or 0.0
        if record.is_final:
            self._open.discard(record.id)
        if record.state == SUCCESS:
            self._succeeded.add(record.id)
        now = time.monotonic()
        if now - self._at < DIALECT_SECONDS and not record.is_final:
            return
        percent, text = self._percent(), self._text(record)
        percent_then, text_then = self._said
        if (percent, text) == self._said:
            return
        self._said, self._at = (percent, text), now
        for line in self._dialect.lines(
            None if percent == percent_then else percent,
            None if text == text_then else text,
            failed=record.is_final and record.state != SUCCESS,
        ):
            click.echo(line, file=self._stream)
        self._stream.flush()

    def _percent(self) -> int:
        if len(self._succeeded) == len(self._percents):
            return 100
        done = sum(
            100.0 if one in self._succeeded else self._percents[one] for one in self._percents
        )
        return min(99, int(done / len(self._percents)))

    def _text(self, record: Record) -> str:
        progress = record.progress
        count, open_ = len(self._percents), len(self._open)
        name = text.file_name(progress.file) or text.plain(record.function)
        parts = [progress.stage or record.state.lower()]
        if progress.attempt > 1:
            parts.append(f"attempt {progress.attempt}")
        why = f": {reason(record)}" if record.error is not None else ""
        ended = f"{count - open_} of {count} ended, " if count > 1 else ""
        return f"{ended}{name}: {', '.join(parts)}{why}"


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
    if amount := text.amount(progress):
        parts.append(amount)
    if progress.rate > 0:
        parts.append(text.rate(progress.rate))
    if progress.eta:
        parts.append(f"{text.duration(progress.eta)} left")
    if progress.attempt > 1:
        parts.append(f"attempt {progress.attempt}")
    name = text.file_name(progress.file) or text.plain(record.function)
    why = f": {text.one_line(reason(record))}" if record.error is not None else ""
    return f"{name}: {', '.join(parts)}{why}"
