"""``spool``: what waits in a folder for the broker to come back."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.cli import log_line, text
from farm_tasks.cli.outcome import print_json, worst
from farm_tasks.cli.root import print_error
from farm_tasks.errors import FarmTasksError, NotConfigured, PermanentFailure, TemporaryFailure

if TYPE_CHECKING:
    from farm_tasks.submit.spool import Entry

LOOK = 0.5
"""Seconds between two looks whether the worker that this runs beside is still there."""

_FOLDER = click.option(
    "--spool",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder. By default FARM_TASKS_SPOOL.",
)


@click.group()
def spool() -> None:
    """Requests that wait in a folder, for they were made while the broker was away."""


@spool.command()
@_FOLDER
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Stay, and do it again after so many seconds, until told to end.",
)
@click.option("--beside", type=int, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def flush(folder: Path | None, every: float | None, beside: int | None, as_json: bool) -> None:
    """Submit what waits, oldest first. A request is submitted once, however often this is run.

    What can never be submitted goes to the folder failed in the spool, with its reason; moved back,
    it is tried again.

    Exit code: 0 if all is submitted, 75 if the broker is away and something still waits, 5 if some
    was refused. With --every: only 0, when it is told to end.
    """
    used = _used(folder)
    if every is None:
        click.get_current_context().exit(_flush(used, _print_json if as_json else _print))
    last = ""
    told: set[str] = set()  # of what this user or version cannot read, once is enough as well
    while beside is None or os.getppid() == beside:
        try:
            for entry in _flushed(used):
                if entry.failed or entry.submission_id or entry.file not in told:
                    (_print_json if as_json else _log)(entry)
                told.add(entry.file)
            last = ""
        except FarmTasksError as error:
            if str(error) != last:  # once is enough, however long it lasts
                last = str(error)
                log_line.write(logging.WARNING, last)
        sys.stdout.flush()
        _sleep(every, beside)


@spool.command(name="list")
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def listing(folder: Path | None, as_json: bool) -> None:
    """List what waits, oldest first, and what has failed: state, age, function, key, file."""
    from farm_tasks.submit.spool import waiting  # noqa: PLC0415 (Celery is not for --help)

    entries = waiting(_used(folder))
    for entry in entries:
        if as_json:
            print_json(_as_dict(entry))
            continue
        request = entry.request
        cells = (
            _state(entry),
            text.age(time.time() - request.made) if request else "",
            request.function if request else "",
            text.plain(request.key) if request else "",
            text.plain(entry.file),
            text.one_line(entry.reason or ""),
        )
        click.echo("\t".join(cells).rstrip())
    if not entries and not as_json and sys.stdout.isatty():
        click.echo("Nothing waits.")


def _used(folder: Path | None) -> Path:
    from farm_tasks.settings import settings  # noqa: PLC0415 (pydantic is not for --help)

    used = folder or settings().spool_folder
    if used is None:
        raise NotConfigured("There is no spool: set FARM_TASKS_SPOOL, or give --spool DIR.")
    return used


def _flushed(folder: Path) -> Iterator[Entry]:
    from farm_tasks.submit.spool import flush as flushed  # noqa: PLC0415 (Celery is not for --help)

    return flushed(folder)


def _flush(folder: Path, tell: Callable[[Entry], None]) -> int:
    """Submit what waits. Returns the exit code."""
    codes = []
    try:
        for entry in _flushed(folder):
            tell(entry)
            codes.append(0 if entry.submission_id else PermanentFailure.exit_code)
    except TemporaryFailure as error:
        print_error(str(error))
        codes.append(error.exit_code)
    return worst(codes)


def _sleep(seconds: float, beside: int | None) -> None:
    """Wait, but no longer than the worker that this runs beside is there."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and (beside is None or os.getppid() == beside):
        time.sleep(min(left, LOOK))


def _print(entry: Entry) -> None:
    if entry.submission_id:
        click.echo(f"{text.plain(entry.submission_id)}\t{text.plain(entry.file)}")
    else:
        print_error(_line(entry))


def _print_json(entry: Entry) -> None:
    print_json(_as_dict(entry))


def _log(entry: Entry) -> None:
    log_line.write(logging.INFO if entry.submission_id else logging.ERROR, _line(entry))


def _line(entry: Entry) -> str:
    if entry.submission_id:
        return f"Spooled request {entry.file} is submission {entry.submission_id}."
    moved = " It is in the folder failed of the spool." if entry.failed else ""
    return f"Spooled request {entry.file}: {entry.reason}{moved}"


def _state(entry: Entry) -> str:
    if entry.failed:
        return "failed"
    return "unusable" if entry.reason else "waits"


def _as_dict(entry: Entry) -> dict[str, Any]:
    request = entry.request
    return {
        "file": entry.file,
        "state": "submitted" if entry.submission_id else _state(entry),
        "function": request and request.function,
        "key": request and request.key,
        "farm_job": request and request.farm_job,
        "made": request and request.made,
        "id": entry.submission_id,
        "reason": entry.reason,
    }
