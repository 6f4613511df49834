"""The rows of a batch as people read them: what would be done, and what became of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

import click

from farm_tasks.batches.report import BEFORE, DONE, GOOD, SKIPPED, ReportRow
from farm_tasks.cli import text

MOST_REASONS = 20
MOST_ROWS = 40
"""With more rows than this, those that ended well are not listed."""

_INDENT = "     "


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns; on a terminal the last cell has a line of its own where it does not fit."""
    cells = [[text.one_line(one) for one in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for row in cells:
        line = [f"{one:<{wide}}" for one, wide in zip(row[:-1], widths, strict=False)]
        whole = "  ".join([*line, row[-1]]).rstrip()
        if len(whole) > width and row[-1]:
            click.echo("  ".join(line).rstrip())
            click.echo(f"{_INDENT}{row[-1]}")
        else:
            click.echo(whole)


def summarise(rows: Sequence[ReportRow], noun: str, seconds: float, where: str = "") -> None:
    """Say how many ended well, how many bytes moved, and why the others did not.

    Args:
        rows: All of them, at their end.
        noun: What a row is, in the plural.
        seconds: That it took.
        where: What to say behind it.
    """
    done = [one for one in rows if one.state == DONE]
    moved = sum(one.bytes for one in done)
    pace = f" at {text.rate(moved / seconds)}" if seconds >= 1 else ""
    skipped = _counted(rows, SKIPPED, "skipped, here already") + _counted(
        rows, BEFORE, "done before"
    )
    wanted = len(rows) - sum(one.state in {SKIPPED, BEFORE} for one in rows)
    click.echo(
        f"\n{len(done)} of {wanted} {noun}, {text.size(moved)} in "
        f"{text.duration(seconds)}{pace}{skipped}{where}"
    )


def print_failures(rows: Iterable[ReportRow]) -> None:
    """The rows that did not end well, each with its reason."""
    failed = [one for one in rows if one.state not in GOOD]
    if not failed:
        return
    click.echo(f"{len(failed)} failed:")
    for row in failed[:MOST_REASONS]:
        click.echo(f"  {text.file_name((row.files or [''])[0])}: {text.one_line(row.error)}")
    if len(failed) > MOST_REASONS:
        click.echo(f"  and {len(failed) - MOST_REASONS} more: farm-tasks list --failed")


def print_outcomes(rows: Sequence[ReportRow]) -> None:
    """A line for each row; with many rows, for those that did not end well."""
    shown = rows if len(rows) <= MOST_ROWS else [one for one in rows if one.state not in GOOD]
    if shown:
        click.echo()
        print_table(
            ("row", "state", "target", "file", "outcome"),
            [(one.row, one.state, one.target, _files(one.files), _outcome(one)) for one in shown],
        )


def _outcome(row: ReportRow) -> str:
    if row.error:
        return f"{row.error_type}: {row.error}"
    return " ".join(filter(None, [*row.urls, row.note]))


def _files(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{text.file_name(paths[0])}{more}" if paths else ""


def _counted(rows: Iterable[ReportRow], state: str, words: str) -> str:
    count = sum(one.state == state for one in rows)
    return f", {count} {words}" if count else ""
