"""``watch``: submissions from wherever they are to their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from farm_tasks.cli import text, views
from farm_tasks.cli.outcome import exit_code, worst
from farm_tasks.cli.root import INTERRUPTED
from farm_tasks.errors import StillRunning
from farm_tasks.farms.dialects import NAMES

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record


@click.command()
@click.argument("submission_ids", metavar="ID...", nargs=-1)
@click.option("--group", metavar="ID", help="Watch the members of a group, such as a batch.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, each change one.")
@click.option(
    "--progress",
    type=click.Choice(NAMES),
    help="Say it as a farm reads it: alf (Tractor), afanasy, openjd; json is --json.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Give up watching after so many seconds, with exit code 75.",
)
def watch(
    submission_ids: tuple[str, ...],
    group: str | None,
    as_json: bool,
    progress: str | None,
    timeout: float | None,
) -> None:
    """Follow submissions until they end: bars on a terminal, lines in a log.

    Ctrl-C ends the watching, not the transfer. The exit code is that of the worst outcome.
    """
    if bool(submission_ids) == bool(group):
        raise click.UsageError("Give either the ids of submissions or --group.")
    if as_json and progress not in {None, "json"}:
        raise click.UsageError("Give either --json or --progress.")
    if group:
        from farm_tasks.submit.group import Group  # noqa: PLC0415 (Celery is not for --help)

        submission_ids = tuple(one.id for one in Group.load(group).submissions)
    name = f"--group {group}" if group else " ".join(submission_ids)
    view = views.choose_dialect("json" if as_json else progress or "bar", submission_ids)
    records = follow_to_end(submission_ids, view, timeout, name=name, group=group)
    click.get_current_context().exit(worst(map(exit_code, records)))


def follow_to_end(
    submission_ids: Sequence[str],
    view: views.View,
    timeout: float | None = None,
    *,
    name: str | None = None,
    group: str | None = None,
) -> list[Record]:
    """Show submissions until they have ended.

    Ctrl-C ends the watching, not the transfers, and the command with it.

    Args:
        submission_ids: What to follow.
        view: Where it is shown.
        timeout: Seconds after which to give up. None for never.
        name: What ``watch`` and ``cancel`` know them by; without one, Ctrl-C is the caller's.
        group: The id of the group that consists of them, if they are one.

    Returns:
        The final records, in the order of the ids.

    Raises:
        StillRunning: some have not ended after ``timeout`` seconds.
        UnknownSubmission: one has no record.
        BrokerUnavailable: Redis cannot be reached.
    """
    from farm_tasks.submit.feed import follow  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.submit.group_feed import follow_members  # noqa: PLC0415

    ids = list(dict.fromkeys(submission_ids))
    latest: dict[str, Record] = {}
    try:
        with view:
            changes = follow_members(group, ids, timeout) if group else follow(ids, timeout)
            for record in changes:
                latest[record.id] = record
                view.show(record)
    except KeyboardInterrupt:
        if name is None:
            raise
        known = text.plain(name)
        click.echo(
            "Stopped watching, the transfer goes on.\n"
            f"  farm-tasks watch {known}   shows it again\n"
            f"  farm-tasks cancel {known}  stops it",
            err=True,
        )
        click.get_current_context().exit(INTERRUPTED)
    running = sum(one not in latest or not latest[one].is_final for one in ids)
    if running:
        raise StillRunning(
            f"{running} of {len(ids)} submissions have not ended after {timeout:g} s; they go on."
            if len(ids) > 1
            else f"Submission {text.plain(ids[0])} has not ended after {timeout:g} s; it goes on."
        )
    return [latest[one] for one in ids]
