"""``batch download``: what Kitsu has of a project, into a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.any_path import is_absolute
from farm_tasks.batches import report
from farm_tasks.batches.kinds import KINDS, Kind
from farm_tasks.cli import text
from farm_tasks.cli.batch_run import (
    dry_run_option,
    json_option,
    no_watch_option,
    report_option,
    run,
)
from farm_tasks.cli.outcome import print_json

if TYPE_CHECKING:
    from farm_tasks.batches.project_files import Found
    from farm_tasks.batches.sending import Entry
    from farm_tasks.cli.steps import Steps
    from farm_tasks.submit.submission import Submission


@click.command()
@click.option("--project", required=True, metavar="NAME_OR_ID", help="The project in Kitsu.")
@click.option(
    "--into",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the files, as the workers see it; under their FARM_TASKS_WRITE_ROOTS.",
)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="previews",
    show_default=True,
    help="previews: as they are kept. movies and lowdef: of movies alone.",
)
@click.option("--sequence", metavar="NAME_OR_ID", help="Only of this sequence.")
@click.option("--task-type", metavar="NAME_OR_ID", help="Only of tasks of this type.")
@click.option("--playlist", metavar="NAME_OR_ID", help="Only the previews in this playlist.")
@click.option("--latest", is_flag=True, help="Only the newest revision of each task.")
@click.option(
    "--template",
    "template_text",
    metavar="PATH",
    help="How files are called under --into, such as "
    "{sequence}/{shot}/{task_type}/v{revision:03}{position}.{extension}. "
    "By default <sequence>_<shot>_<task type>_v<revision>.",
)
@click.option("--again", is_flag=True, help="Download also what is there already, and whole.")
@click.option(
    "--priority",
    type=click.Choice(["high", "normal", "low"]),
    default="normal",
    show_default=True,
    help="High is taken before what waits already, low after all else.",
)
@dry_run_option
@report_option
@no_watch_option
@json_option
def download(
    project: str,
    into: Path,
    kind: str,
    sequence: str | None,
    task_type: str | None,
    playlist: str | None,
    latest: bool,
    template_text: str | None,
    again: bool,
    priority: str,
    dry_run: bool,
    report_path: Path | None,
    no_watch: bool,
    as_json: bool,
) -> None:
    """Download previews, thumbnails, covers, movies or attachments of a project.

    Asks Kitsu for the list, so it needs KITSU_HOST and KITSU_BOT_TOKEN (or KITSU_LOGIN and
    KITSU_PASSWORD) here; the files themselves go through the queue to the workers. What is in the
    folder already, with the size that Kitsu knows, is skipped, if this machine sees the folder. One
    failure does not stop the rest; the exit code is that of the worst.
    """
    from farm_tasks.batches.naming import Template  # noqa: PLC0415
    from farm_tasks.batches.project_files import Choice, files_of  # noqa: PLC0415 (brings gazu with it)
    from farm_tasks.cli.steps import Steps  # noqa: PLC0415 (brings rich with it)

    if report_path is not None:
        report.check_path(report_path)
    template = None if template_text is None else Template(template_text)
    chosen = KINDS[kind]
    # Another system's folder is absolute as it is.
    folder = into if is_absolute(str(into)) else Path(os.path.abspath(into))
    steps = Steps(stderr=True)
    with steps.step("List", f"asking Kitsu for the {kind} of {project}") as step:
        choice = Choice(sequence, task_type, playlist, latest)
        files = files_of(project, kind, choice, template)
        step.outcome = f"project {project} has {len(files)} {kind}"
    skipped = set() if again else _skipped(files, folder, chosen, steps)
    entries = [_entry(n, one, folder, chosen, priority, skipped) for n, one in enumerate(files, 1)]
    if dry_run:
        _show(files, entries, as_json)
    rows = [one.row for one in entries]

    def summarise(seconds: float) -> None:
        from farm_tasks.cli.batch_summary import print_failures, summarise  # noqa: PLC0415

        summarise(rows, "files", seconds, f", into {text.plain(into)}")
        print_failures(rows)

    if dry_run or not files:
        if report_path is not None:
            report.write(report_path, rows)
        return
    run(
        entries,
        summarise,
        noun="downloads",
        steps=steps,
        no_watch=no_watch,
        as_json=as_json,
        report_path=report_path,
        afterwards="The same command again skips what is there, and writes the report.",
    )


def _skipped(files: Sequence[Found], folder: Path, kind: Kind, steps: Steps) -> set[str]:
    from farm_tasks.batches.presence import whole_here  # noqa: PLC0415 (brings gazu with it)

    if not folder.is_dir():
        return set()
    with steps.step("Compare", f"looking for what is in {folder} already") as step:

        def count(looked: int) -> None:
            step.doing = f"{looked} of {len(files)} files compared with {folder}"

        found = whole_here(files, folder, kind, count)
        step.outcome = f"{len(found)} of {len(files)} files are there, and whole"
    return found


def _entry(
    number: int, one: Found, folder: Path, kind: Kind, priority: str, skipped: set[str]
) -> Entry:
    from farm_tasks.batches.sending import Entry  # noqa: PLC0415 (Celery is not for --help)

    path = str(folder / one.file_name)
    row = report.ReportRow(number, one.target, [path])
    if one.id in skipped:
        row.state, row.exit_code = report.SKIPPED, 0
        return Entry(row)

    def send() -> Submission:
        from farm_tasks import submit  # noqa: PLC0415

        function: Callable[..., Submission] = getattr(submit, kind.function)
        return function(one.id, path, priority=priority)

    return Entry(row, send)


def _show(files: Sequence[Found], entries: Sequence[Entry], as_json: bool) -> None:
    """What would be done."""
    plans: list[dict[str, Any]] = [
        {
            "row": entry.row.row,
            "target": one.target,
            "file": entry.row.files[0],
            "size": one.size,
            "state": entry.row.state if entry.send is None else "to download",
        }
        for one, entry in zip(files, entries, strict=True)
    ]
    if as_json:
        for plan in plans:
            print_json(plan)
        return
    from farm_tasks.cli.batch_summary import print_table  # noqa: PLC0415

    print_table(
        ("row", "state", "target", "size", "file"),
        [
            (
                one["row"],
                one["state"],
                one["target"],
                "" if one["size"] is None else text.size(one["size"]),
                one["file"],
            )
            for one in plans
        ],
    )
    sizes = [one.size for one, entry in zip(files, entries, strict=True) if entry.send]
    total = sum(one or 0 for one in sizes)
    least = "at least " if None in sizes else ""
    click.echo(f"\n{len(sizes)} files to download, {least}{text.size(total)}. Nothing was done.")
