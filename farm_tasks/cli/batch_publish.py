"""``batch publish``: many shots from a list, or from the names of files in a folder."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.batches import report
from farm_tasks.cli import text
from farm_tasks.cli.batch_run import (
    dry_run_option,
    json_option,
    no_watch_option,
    report_option,
    run,
)
from farm_tasks.cli.outcome import print_json, worst
from farm_tasks.cli.publish_options import comment_options, frame_options, submission_options
from farm_tasks.errors import BrokerUnavailable, FileMissing, FileUnreadable

if TYPE_CHECKING:
    from farm_tasks.batches.items import Item
    from farm_tasks.batches.rows import Row
    from farm_tasks.batches.sending import Entry
    from farm_tasks.submit.submission import Submission


@click.command()
@click.argument("list_path", metavar="[LIST]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--folder",
    metavar="PATTERN",
    help="Publish the files that are called like this, such as "
    '"/projects/demo/review/{sequence}_{shot}_{task_type}_v{revision}.mov", instead of a list.',
)
@click.option("--project", metavar="NAME", help="Where the row names no task, as for these:")
@click.option("--episode", metavar="NAME")
@click.option("--sequence", metavar="NAME")
@click.option("--asset-type", metavar="NAME")
@click.option("--task-type", metavar="NAME")
@comment_options
@frame_options
@submission_options
@click.option(
    "--key-prefix",
    default="batch",
    show_default=True,
    metavar="TEXT",
    help="What the rows' keys begin with. Another one publishes the same rows anew.",
)
@click.option(
    "--again", is_flag=True, help="Publish once more what was published already, as new revisions."
)
@dry_run_option
@report_option
@no_watch_option
@json_option
def publish(
    list_path: Path | None,
    folder: str | None,
    key_prefix: str,
    again: bool,
    dry_run: bool,
    report_path: Path | None,
    no_watch: bool,
    as_json: bool,
    **defaults: Any,
) -> None:
    """Publish many shots: a row each, from a JSON or CSV list, or from files by their names.

    The columns of LIST are those of `farm-tasks publish`: task, file, frames, status, comment and
    so on; - reads it from stdin. Options count for the rows that do not say otherwise. Every row is
    checked first. One that is wrong is reported and does not stop the rest, nor does one that
    fails; the exit code is that of the worst.

    The same row with the same files is published once: run again, a batch publishes what failed or
    has changed, and --again publishes all of it.
    """
    if (list_path is None) == (folder is None):
        raise click.UsageError("Give either a LIST or --folder.")
    if report_path is not None:
        report.check_path(report_path)
    from farm_tasks.batches.items import items_of  # noqa: PLC0415 (not for --help)
    from farm_tasks.cli.steps import Steps  # noqa: PLC0415 (brings rich with it)

    steps = Steps(stderr=True)
    source = folder or ("stdin" if str(list_path) == "-" else str(list_path))
    with steps.step("Check", f"reading {source}") as step:
        rows = _rows(list_path, folder, defaults)
        items = items_of(rows, key_prefix, uuid.uuid4().hex[:8] if again else "")
        wrong = sum(one.error is not None for one in items)
        step.outcome = f"{source}: {len(items)} rows, {wrong} of them wrong"
    entries = [_entry(one) for one in items]
    if dry_run:
        _show(items, entries, as_json)
        if report_path is not None:
            report.write(report_path, [one.row for one in entries])
        click.get_current_context().exit(worst(one.row.exit_code or 0 for one in entries))
    report_rows = [one.row for one in entries]

    def summarise(seconds: float) -> None:
        from farm_tasks.cli.batch_summary import print_outcomes, summarise  # noqa: PLC0415

        print_outcomes(report_rows)
        summarise(report_rows, "rows published", seconds)

    run(
        entries,
        summarise,
        noun="publishes",
        steps=steps,
        no_watch=no_watch,
        as_json=as_json,
        report_path=report_path,
        afterwards="The same command again goes on watching these, and writes the report.",
    )


def _rows(list_path: Path | None, folder: str | None, defaults: dict[str, Any]) -> list[Row]:
    from farm_tasks.batches.folder_pattern import rows_in  # noqa: PLC0415 (not for --help)
    from farm_tasks.batches.rows import absolute, read_rows  # noqa: PLC0415
    from farm_tasks.batches.tables import read_table  # noqa: PLC0415

    defaults = {**defaults, "burn_in": list(defaults["burn_in"]) or None}
    # The paths of options begin here, and those of rows where the list is.
    for name, value in defaults.items():
        defaults[name] = absolute(name, value, Path.cwd()) if value else value
    if folder is not None:
        ranged = bool(defaults["frame_range"])
        return read_rows(rows_in(folder, ranged=ranged), Path.cwd(), defaults)
    assert list_path is not None  # noqa: S101 (said by the caller)
    if str(list_path) == "-":
        return read_rows(read_table(sys.stdin.buffer.read(), "stdin"), Path.cwd(), defaults)
    try:
        content = list_path.read_bytes()
    except FileNotFoundError:
        raise FileMissing(f"{list_path} does not exist.") from None
    except OSError as error:
        raise FileUnreadable(f"{list_path}: {error.strerror or error}") from error
    return read_rows(read_table(content, str(list_path)), list_path.absolute().parent, defaults)


def _entry(item: Item) -> Entry:
    from farm_tasks.batches.sending import Entry  # noqa: PLC0415 (Celery is not for --help)

    row = report.ReportRow(item.number, item.target, [one.path for one in item.files])
    row.note = item.note
    if item.error is not None:
        row.fail(report.REFUSED, item.error)
        return Entry(row)

    def send() -> Submission:
        from farm_tasks import submit  # noqa: PLC0415

        return submit.publish(**item.arguments, key=item.key)

    return Entry(row, send, item.key)


def _show(items: Sequence[Item], entries: Sequence[Entry], as_json: bool) -> None:
    """What would be done."""
    done, unknown = _done_before(items)
    plans: list[dict[str, Any]] = [
        {
            "row": item.number,
            "state": _plan(item, entry, done),
            "target": item.target,
            "files": [one.path for one in item.files],
            "count": sum(one.count for one in item.files),
            "size": item.size,
            "key": item.key,
            "error_type": entry.row.error_type,
            "error": entry.row.error,
            "note": item.note,
        }
        for item, entry in zip(items, entries, strict=True)
    ]
    if as_json:
        for plan in plans:
            print_json(plan)
        return
    from farm_tasks.cli.batch_summary import print_table  # noqa: PLC0415

    print_table(
        ("row", "state", "target", "files", "size", "file", "what is wrong"),
        [
            (
                one["row"],
                one["state"],
                one["target"],
                one["count"] or "",
                "" if one["size"] is None or not one["files"] else text.size(one["size"]),
                text.file_name(one["files"][0]) if one["files"] else "",
                f"{one['error_type']}: {one['error']}" if one["error"] else one["note"],
            )
            for one in plans
        ],
    )
    ready = sum(one["state"] == "to publish" for one in plans)
    click.echo(f"\n{ready} of {len(plans)} rows to publish.{unknown} Nothing was done.")


def _plan(item: Item, entry: Entry, done: set[str]) -> str:
    if item.error is not None:
        return entry.row.state
    return report.BEFORE if item.key in done else "to publish"


def _done_before(items: Sequence[Item]) -> tuple[set[str], str]:
    """The keys that were published already, and what to say where that cannot be known."""
    from farm_tasks.batches.sending import ended_well  # noqa: PLC0415 (Celery is not for --help)

    try:
        return ended_well([one.key for one in items if one.key]), ""
    except BrokerUnavailable:
        return set(), " Redis was not reached: some may have been published before."
