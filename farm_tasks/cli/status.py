"""``status`` and ``cancel``: submissions by their ids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from farm_tasks.cli import text
from farm_tasks.cli.outcome import as_dict, exit_code, print_json, reason, worst
from farm_tasks.cli.root import print_error
from farm_tasks.errors import UnknownSubmission

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record


@click.command()
@click.argument("submission_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def status(submission_ids: tuple[str, ...], as_json: bool) -> None:
    """Show where submissions are.

    Exit code: 0 if queued, running or done; of one that failed, the code of its error; 3 if
    unknown. Of several, the worst.
    """
    from farm_tasks.submit.record import read  # noqa: PLC0415 (Celery is not for --help)

    codes = []
    for number, submission_id in enumerate(submission_ids):
        try:
            record = read(submission_id)
        except UnknownSubmission as error:
            print_error(str(error))
            codes.append(error.exit_code)
            continue
        codes.append(exit_code(record))
        if as_json:
            print_json(as_dict(record))
        else:
            click.echo(("\n" if number else "") + _card(record))
    click.get_current_context().exit(worst(codes))


@click.command()
@click.argument("submission_ids", metavar="ID...", nargs=-1)
@click.option("--group", metavar="ID", help="Cancel every member of a group, such as a batch.")
def cancel(submission_ids: tuple[str, ...], group: str | None) -> None:
    """Stop submissions.

    One that is queued never starts; one that runs ends within about a second. One that has ended
    stays as it is.
    """
    if bool(submission_ids) == bool(group):
        raise click.UsageError("Give either the ids of submissions or --group.")
    from farm_tasks.submit.group import Group  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.submit.submission import Submission  # noqa: PLC0415

    codes = []
    if group:
        submission_ids = tuple(one.id for one in Group.load(group).submissions)
    for submission_id in submission_ids:
        try:
            submission = Submission.load(submission_id)
            record = submission.record()
        except UnknownSubmission as error:
            print_error(str(error))
            codes.append(error.exit_code)
            continue
        if record.is_final:
            click.echo(f"{text.plain(submission_id)} has already ended: {record.progress.stage}")
        else:
            submission.cancel()
            click.echo(f"{text.plain(submission_id)} is told to stop")
    click.get_current_context().exit(worst(codes))


def _card(record: Record) -> str:
    """A record as a few lines of ``name  value``; what is not known is left out."""
    progress = record.progress
    percent = "" if progress.percent is None else f"{progress.percent:.1f} %, "
    moved = percent + text.sizes(progress.bytes_read, progress.total)
    lines = {
        "key": record.key or "",
        "farm job": record.farm_job or "",
        "function": record.function,
        "queue": "" if record.is_final else _place(record),
        "state": f"{record.state} ({progress.stage})" if progress.stage else record.state,
        "file": progress.file,
        "moved": moved if progress.bytes_read or progress.total else "",
        "rate": text.rate(progress.rate) if progress.rate > 0 else "",
        "time left": text.duration(progress.eta) if progress.eta else "",
        "attempt": str(progress.attempt) if progress.attempt > 1 else "",
        "worker": record.worker or "",
        "ended" if record.ended else "updated": _ago(record.ended or progress.updated),
        "error": text.one_line(reason(record)),
    }
    shown = (f"  {name:<10} {text.plain(value)}" for name, value in lines.items() if value)
    return "\n".join([text.plain(record.id), *shown])


def _place(record: Record) -> str:
    """Where it waits: the queue, and the priority unless that is the usual one."""
    special = f", {record.priority} priority" if record.priority != "normal" else ""
    return f"{record.queue or ''}{special}".removeprefix(", ")


def _ago(moment: float) -> str:
    return f"{text.duration(max(0.0, time.time() - moment))} ago" if moment else ""
