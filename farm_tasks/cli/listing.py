"""``list``: the submissions of the last days."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from farm_tasks import states
from farm_tasks.cli import text
from farm_tasks.cli.outcome import as_dict, print_json, reason

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record

STATES = (
    states.QUEUED,
    states.STARTED,
    states.PROGRESS,
    states.RETRY,
    states.SUCCESS,
    states.FAILURE,
    states.REVOKED,
)
_COLUMNS = ("id", "age", "function", "stage", "moved", "file or error")
_WIDE = 130
_SHORTEST_WHAT = 16
_INDENT = (0, 0, 0, 4)
_STYLES = {states.SUCCESS: "green", states.FAILURE: "red", states.REVOKED: "yellow"}


@click.command(name="list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option(
    "--state",
    "wanted",
    multiple=True,
    type=click.Choice(STATES, case_sensitive=False),
    help="Only those in this state. May be given more than once.",
)
@click.option("--failed", is_flag=True, help="Only those that failed: --state FAILURE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def listing(limit: int, wanted: tuple[str, ...], failed: bool, as_json: bool) -> None:
    """List the newest submissions, newest first.

    On a terminal as a table, and with --failed with the whole reasons; elsewhere with tabs between
    the columns. The age is that of the end, once there is one.
    """
    from farm_tasks.submit.listing import recent  # noqa: PLC0415 (Celery is not for --help)

    chosen = {*wanted, states.FAILURE} if failed else set(wanted)
    records = recent(limit, chosen or None)
    if as_json:
        for record in records:
            print_json(as_dict(record))
    elif not sys.stdout.isatty():
        for record in records:
            click.echo("\t".join(_cells(record)))
    elif chosen == {states.FAILURE}:
        _print_failures(records, limit)
    else:
        _print_table(records)


def _cells(record: Record) -> tuple[str, ...]:
    progress = record.progress
    moving = not record.is_final and progress.percent is not None
    percent = f" {progress.percent:.0f} %" if moving else ""
    moved = progress.bytes_read or progress.total
    return (
        text.plain(record.id),
        _age(record),
        text.plain(record.function),
        text.one_line(progress.stage or record.state.lower()) + percent,
        text.sizes(progress.bytes_read, progress.total) if moving and moved else "",
        text.one_line(reason(record)) or text.plain(progress.file),
    )


def _print_table(records: list[Record]) -> None:
    from rich import box  # noqa: PLC0415 (rich is for terminals only)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False)
    if not records:
        console.print("No submissions.")
        return
    # Ids are there to be copied: only the last column may be cut, and two give way before it is.
    left_out = () if console.width >= _WIDE else ("function", "moved")
    shown = [number for number, name in enumerate(_COLUMNS) if name not in left_out]
    rows = [(*_cells(record)[:-1], _what(record)) for record in records]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    widths = [max(len(_COLUMNS[number]), *(len(row[number]) for row in rows)) for number in shown]
    # Two characters around each; left to rich, a long last column would empty the others.
    widths[-1] = max(_SHORTEST_WHAT, console.width - sum(widths[:-1]) - 2 * len(widths) - 1)
    for number, width in zip(shown, widths, strict=True):
        table.add_column(_COLUMNS[number], no_wrap=True, width=width)
    for record, row in zip(records, rows, strict=True):
        cells = [Text(cell) for cell in row]
        cells[_COLUMNS.index("stage")].stylize(_STYLES.get(record.state, ""))
        table.add_row(*(cells[number] for number in shown))
    console.print(table)


def _print_failures(records: list[Record], limit: int) -> None:
    """Each with its whole reason in lines of its own, and how to go on."""
    from rich.console import Console  # noqa: PLC0415 (rich is for terminals only)
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False)
    if not records:
        console.print("Nothing failed.")
        return
    for record in records:
        console.print(f"{text.plain(record.id)}  {_age(record):<6}  {text.plain(record.function)}")
        console.print(Padding(Text(_what(record), "red"), _INDENT, expand=False))
        if record.key:
            key = Text(f"key {text.plain(record.key)}", "dim")
            console.print(Padding(key, _INDENT, expand=False))
    more = f" There may be more: --limit {10 * limit}." if len(records) == limit else ""
    console.print(
        f"\n{len(records)} failed.{more} After the cause is mended, `farm-tasks retry ID` or "
        "`farm-tasks retry --failed` goes on from what is done."
    )


def _age(record: Record) -> str:
    moment = record.ended or record.progress.updated
    return text.age(time.time() - moment) if moment else ""


def _what(record: Record) -> str:
    """The file by its name, and what went wrong with it."""
    name = text.file_name(record.progress.file)
    return ": ".join(filter(None, [name, text.one_line(reason(record))]))
