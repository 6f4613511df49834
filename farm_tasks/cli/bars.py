"""Bars on a terminal: one for each submission that moves, and one over all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from farm_tasks.cli import text
from farm_tasks.cli.outcome import reason
from farm_tasks.states import FAILURE, PROGRESS, QUEUED, RETRY, REVOKED, SUCCESS

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record

FRAMES_PER_SECOND, FRAMES_OF_MANY = 8, 2
MANY = 500
"""With more submissions than this, each frame takes some of the time that watching is worth."""

SILENCE = 15.0
"""Seconds without a report after which that is said: workers report every 5, even when stalled."""

IDLE = 8.0
"""Seconds in the queue after which a person is told where to look."""

MOST_COMPLAINTS = 20
"""Errors that are printed: when a disk is full, one is as good as a thousand."""

_WINDOW = 20.0
_STYLE_OF_STATE = {SUCCESS: "green", FAILURE: "red", REVOKED: "yellow", RETRY: "yellow"}
_WIDTHS = (4, 16, 30)
"""Characters for the percentage, the sizes, and the stage with rate and time left."""

_SHORTEST_NAME, _SHORTEST_BAR = 16, 8
_SPARE = 3
"""Characters left free: a terminal's ``^C`` at the end of a full line would start another one."""


class Bars:
    """Draws records as bars until it is left.

    Args:
        submission_ids: What will be shown, in order.
        stream: The terminal.
    """

    def __init__(self, submission_ids: Sequence[str], stream: TextIO) -> None:
        self._order = list(dict.fromkeys(submission_ids))
        self._records: dict[str, Record] = {}
        self._heard: dict[str, float] = {}
        self._complaints = 0
        self._began = time.monotonic()
        self._readings: deque[tuple[float, float, int]] = deque()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=FRAMES_PER_SECOND if len(self._order) <= MANY else FRAMES_OF_MANY,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, record: Record) -> None:
        """Draw it from now on; an error is printed above the bars, once."""
        before = self._records.get(record.id)
        self._records[record.id] = record
        self._heard[record.id] = time.monotonic()
        if record.error is not None and (before is None or before.state != record.state):
            self._complaints += 1
            if self._complaints <= MOST_COMPLAINTS:
                said = Text(f"{_name(record)}: ", style=_STYLE_OF_STATE.get(record.state, ""))
                said.append(text.one_line(reason(record)), style="default")
                self._console.print(said)
            elif self._complaints == MOST_COMPLAINTS + 1:
                self._console.print("Further errors: `farm-tasks list --failed`")

    def _draw(self) -> RenderableType:
        records = dict(self._records)  # another thread adds to it
        table = Table.grid(padding=(0, 1))
        name_width, bar_width = _share(
            self._console.width - sum(_WIDTHS) - 4 - _SPARE,
            longest=max((len(_name(one)) for one in records.values()), default=0),
        )
        table.add_column(width=name_width, no_wrap=True)
        table.add_column(width=bar_width, no_wrap=True)
        for width, justify in zip(_WIDTHS, ("right", "right", "left"), strict=True):
            table.add_column(width=width, no_wrap=True, justify=justify)  # type: ignore[arg-type]
        room = max(3, self._console.height - 4)
        rows = [records[one] for one in self._order if one in records]
        hidden = max(0, len(rows) - room)
        if hidden:
            moving = [one for one in rows if not one.is_final and one.state != QUEUED]
            rows, hidden = moving[:room], len(moving[room:])
        for record in rows:
            self._add_row(table, record, name_width, bar_width)
        if len(self._order) > 1:
            self._add_overall(table, records, name_width, bar_width)
        notes = []
        if hidden:
            notes.append(Text(f"and {hidden} more", style="dim"))
        if self._nobody_works(records):
            notes.append(
                Text("No worker has taken it yet. `farm-tasks doctor` tells what runs.", "yellow")
            )
        return Group(table, *notes)

    def _add_row(self, table: Table, record: Record, name_width: int, bar_width: int) -> None:
        progress = record.progress
        percent = 100.0 if record.state == SUCCESS else progress.percent
        moves = record.state == PROGRESS
        bar = ProgressBar(
            total=100.0,
            completed=percent or 0.0,
            width=bar_width,
            pulse=moves and percent is None,
            finished_style="green",
            complete_style=_STYLE_OF_STATE.get(record.state, "cyan"),
        )
        table.add_row(
            Text(text.shortened(_name(record), name_width)),
            bar,
            "" if percent is None else f"{int(percent)}%",
            text.amount(progress),
            self._stage(record),
        )

    def _stage(self, record: Record) -> Text:
        progress = record.progress
        stage = text.one_line(progress.stage or record.state.lower())
        style = _STYLE_OF_STATE.get(record.state, "")
        silent = time.monotonic() - self._heard[record.id]
        if record.state == PROGRESS and silent > SILENCE:
            return Text(f"no news for {text.duration(silent)}", style="yellow")
        if record.state == PROGRESS and progress.rate > 0:
            eta = "" if progress.eta is None else text.duration(progress.eta)
            return Text(f"{stage:<11} {text.rate(progress.rate):>10} {eta:>7}", style=style)
        if progress.attempt > 1 and not record.is_final:
            stage = f"{stage}, attempt {progress.attempt}"
        return Text(stage, style=style)

    def _add_overall(
        self, table: Table, records: dict[str, Record], name_width: int, bar_width: int
    ) -> None:
        total = len(self._order)
        done = sum(one.state == SUCCESS for one in records.values())
        failed = sum(one.is_final for one in records.values()) - done
        moved = sum(one.progress.bytes_read for one in records.values())
        fraction = sum(map(_fraction, records.values())) / total
        byte_rate, eta = self._pace(fraction, moved)
        stage = f"{failed} failed" if failed else ""
        if byte_rate > 0 and done + failed < total:
            left = "" if eta is None else text.duration(eta)
            stage = f"{stage:<11} {text.rate(byte_rate):>10} {left:>7}"
        files = f"{done} of {total} done"
        table.add_row(
            Text(text.shortened(files, name_width), style="bold"),
            ProgressBar(
                total=1.0,
                completed=fraction,
                width=bar_width,
                complete_style="cyan",
                finished_style="yellow" if failed else "green",
            ),
            f"{int(100 * fraction)}%",
            text.size(moved),
            Text(stage, style="red" if failed else ""),
        )

    def _pace(self, fraction: float, moved: int) -> tuple[float, float | None]:
        """Bytes per second over all, and the seconds left."""
        now = time.monotonic()
        self._readings.append((now, fraction, moved))
        while len(self._readings) > 2 and now - self._readings[1][0] >= _WINDOW:
            self._readings.popleft()
        then, fraction_then, moved_then = self._readings[0]
        if now - then < 1.0:
            return 0.0, None
        # By the share that is done, not by bytes: a download's size shows only when it begins.
        gained = fraction - fraction_then
        eta = (1.0 - fraction) * (now - then) / gained if gained > 0 else None
        return max(0, moved - moved_then) / (now - then), eta

    def _nobody_works(self, records: dict[str, Record]) -> bool:
        waits = bool(records) and all(one.state == QUEUED for one in records.values())
        return waits and time.monotonic() - self._began > IDLE


def _name(record: Record) -> str:
    return text.file_name(record.progress.file) or text.plain(record.function)


def _share(width: int, longest: int) -> tuple[int, int]:
    """What names and bars get of the rest of the line; names come first where it is narrow."""
    name = max(_SHORTEST_NAME, min(longest, width - _SHORTEST_BAR))
    return name, max(_SHORTEST_BAR, min(40, width - name))


def _fraction(record: Record) -> float:
    return 1.0 if record.is_final else (record.progress.percent or 0.0) / 100.0
