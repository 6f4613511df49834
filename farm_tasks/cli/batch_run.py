"""A batch from its entries to its end: submitted, watched, reported."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from farm_tasks.batches import report
from farm_tasks.cli import text, views
from farm_tasks.cli.outcome import print_json, worst
from farm_tasks.cli.root import INTERRUPTED, print_error
from farm_tasks.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from farm_tasks.batches.sending import Entry
    from farm_tasks.cli.steps import Steps
    from farm_tasks.submit.group import Group

report_option = click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what became of each item into a .json or .csv file.",
)
no_watch_option = click.option(
    "--no-watch", is_flag=True, help="Submit, print the group's id and leave."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, each change one."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be done, and submit nothing."
)


def run(
    entries: Sequence[Entry],
    summarise: Callable[[float], object],
    *,
    noun: str,
    steps: Steps,
    no_watch: bool,
    as_json: bool,
    report_path: Path | None,
    afterwards: str = "",
) -> NoReturn:
    """Submit the entries, follow them to their end, say what became of them, and exit.

    Args:
        entries: Those without a way to send them are already what they are.
        summarise: Prints the end; told the seconds that it took.
        noun: What an entry is, in the plural.
        steps: Where to say what is being done.
        no_watch: Leave once they are in the queue.
        as_json: One JSON object per line instead of bars and a summary.
        report_path: Where the report goes.
        afterwards: What a person who stopped watching may do.
    """
    context = click.get_current_context()
    wanted = [one for one in entries if one.send is not None]
    began = time.monotonic()
    group = _submit(entries, len(wanted), noun, steps, report_path) if wanted else None
    if as_json or no_watch:
        _say_what_was_refused(entries, as_json=as_json)
    if no_watch or group is None:
        _write(report_path, entries)
        if group is not None:
            print_json({"group": group.id}) if as_json else click.echo(group.id)
        if not as_json and not no_watch:
            summarise(time.monotonic() - began)
        context.exit(worst(one.row.exit_code or 0 for one in entries))
    from farm_tasks.cli.follow import follow_to_end  # noqa: PLC0415 (Celery is not for --help)

    ids = [one.id for one in group.submissions]
    try:
        view = views.choose(ids, as_json=as_json)
        follow_to_end(ids, view, name=f"--group {group.id}", group=group.id)
    except BaseException as error:
        # Ctrl-C as well: the transfers go on, and so far this is known of them.
        _write_known(report_path, entries)
        if afterwards and isinstance(error, click.exceptions.Exit):
            click.echo(f"  {afterwards}", err=True)
        raise
    _take(entries)
    _write(report_path, entries)
    if not as_json:
        summarise(time.monotonic() - began)
    context.exit(worst(one.row.exit_code or 0 for one in entries))


def _submit(
    entries: Sequence[Entry], wanted: int, noun: str, steps: Steps, report_path: Path | None
) -> Group | None:
    from farm_tasks.batches.sending import ended_well, send_all  # noqa: PLC0415 (not for --help)

    with steps.step("Submit", f"putting the {noun} into the queue") as step:
        try:
            done = ended_well([one.key for one in entries if one.key])
            count = 0
            for entry in send_all(entries):
                entry.was_done = entry.key in done
                count += bool(entry.row.submission_id)
                step.doing = f"{count} of {wanted} {noun} are in the queue"
        except BaseException as error:
            _say_what_was_submitted(entries, wanted)
            _write_known(report_path, entries)
            if isinstance(error, KeyboardInterrupt):
                click.get_current_context().exit(INTERRUPTED)
            raise
        group = _group(entries)
        step.outcome = f"group {group.id}" if group else "nothing was submitted"
    return group


def _group(entries: Sequence[Entry]) -> Group | None:
    from farm_tasks.submit.group import Group  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.submit.submission import Submission  # noqa: PLC0415

    ids = [one.row.submission_id for one in entries if one.row.submission_id]
    return Group.of([Submission(one) for one in ids]) if ids else None


def _say_what_was_submitted(entries: Sequence[Entry], wanted: int) -> None:
    """What is in the queue already is transferred: say what it can be found by."""
    count = sum(bool(one.row.submission_id) for one in entries)
    if not count:
        return
    known_by = ""
    with contextlib.suppress(BrokerUnavailable):
        group = _group(entries)
        known_by = f", group {group.id}" if group else ""
    click.echo(f"{count} of {wanted} were submitted{known_by}", err=True)


def _say_what_was_refused(entries: Sequence[Entry], *, as_json: bool) -> None:
    """It has no submission that could be looked at."""
    for row in (one.row for one in entries if one.row.state == report.REFUSED):
        if as_json:
            print_json(dataclasses.asdict(row))
        else:
            print_error(f"row {row.row}: {row.error}")


def _take(entries: Sequence[Entry]) -> None:
    from farm_tasks.batches.sending import take_records  # noqa: PLC0415 (not for --help)

    take_records(entries)


def _write(report_path: Path | None, entries: Sequence[Entry]) -> None:
    if report_path is not None:
        report.write(report_path, [one.row for one in entries])


def _write_known(report_path: Path | None, entries: Sequence[Entry]) -> None:
    if report_path is None:
        return
    with contextlib.suppress(BrokerUnavailable):
        _take(entries)
    _write(report_path, entries)
    click.echo(f"  {text.plain(report_path)} has what is known of it.", err=True)
