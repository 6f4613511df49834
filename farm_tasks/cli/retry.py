"""``retry``: what failed, once more, after the cause is mended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from farm_tasks import states
from farm_tasks.cli import text
from farm_tasks.cli.outcome import reason, worst
from farm_tasks.cli.root import print_error
from farm_tasks.errors import BrokerUnavailable, FarmTasksError

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record


@click.command()
@click.argument("submission_ids", metavar="ID...", nargs=-1)
@click.option("--failed", is_flag=True, help="All that failed; what was cancelled stays so.")
@click.option("--group", metavar="ID", help="Every member of a group that failed or was cancelled.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=sys.maxsize,
    metavar="N",
    help="With --failed: no more than the newest N.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be retried, and why it failed.")
def retry(
    submission_ids: tuple[str, ...], failed: bool, group: str | None, limit: int, dry_run: bool
) -> None:
    """Run again what failed or was cancelled, after the cause is mended.

    It is queued under its id, with the arguments that it was submitted with, and goes on from what
    it has done already: nothing is uploaded or posted twice. A submission that is queued has its
    message sent again, in case Redis has lost it.

    Exit code: 2 if one cannot be retried, 3 if one is unknown, 75 if one still runs. Of several,
    the worst.
    """
    if (bool(submission_ids), failed, bool(group)).count(True) != 1:
        raise click.UsageError("Give the ids of submissions, --failed or --group.")
    from farm_tasks.submit.submission import Submission  # noqa: PLC0415 (Celery is not for --help)

    ids = submission_ids or [one.id for one in _failed(limit, group)]
    codes = []
    for submission_id in ids:
        try:
            submission = Submission.load(submission_id)
            record = submission.record()
            if not dry_run:
                submission.retry()
        except BrokerUnavailable:
            raise
        except FarmTasksError as error:
            print_error(str(error))
            codes.append(error.exit_code)
        else:
            click.echo(_line(record, dry_run))
    if not ids:
        click.echo("Nothing failed.")
    click.get_current_context().exit(worst(codes))


def _failed(limit: int, group: str | None) -> list[Record]:
    """Oldest first, as they were submitted."""
    from farm_tasks.submit.group import Group  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.submit.listing import recent  # noqa: PLC0415

    if group is not None:
        ended = {states.FAILURE, states.REVOKED}
        return [one for one in Group.load(group).records() if one.state in ended]
    return recent(limit, {states.FAILURE})[::-1]


def _line(record: Record, dry_run: bool) -> str:
    name = text.file_name(record.progress.file) or text.plain(record.function)
    if not dry_run:
        return f"{text.plain(record.id)} is queued again: {name}"
    why = f": {text.one_line(reason(record))}" if record.error is not None else ""
    return f"{text.plain(record.id)} would be queued again: {name}{why}"
