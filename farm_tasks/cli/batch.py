"""``batch``: many transfers as one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from farm_tasks.any_path import is_absolute
from farm_tasks.cli import text, views
from farm_tasks.cli.outcome import exit_code, print_json, reason, worst
from farm_tasks.cli.root import INTERRUPTED
from farm_tasks.states import SUCCESS

if TYPE_CHECKING:
    from farm_tasks.cli.previews import Preview
    from farm_tasks.cli.steps import Step
    from farm_tasks.submit.group import Group
    from farm_tasks.submit.record import Record
    from farm_tasks.submit.submission import Submission

MOST_REASONS = 20


class _Kind(NamedTuple):
    function: str
    extension: str = ""
    """Of the files that Kitsu makes; "" where it gives what it was given."""

    movies_only: bool = False


KINDS = {
    "previews": _Kind("download_preview_file"),
    "movies": _Kind("download_preview_movie", "mp4", movies_only=True),
    "lowdef": _Kind("download_preview_lowdef_movie", "mp4", movies_only=True),
    "thumbnails": _Kind("download_preview_file_thumbnail", "png"),
    "covers": _Kind("download_preview_file_cover", "png"),
    "tiles": _Kind("extract_tile_from_preview", "png", movies_only=True),
}


@click.group()
def batch() -> None:
    """Transfer many files as one."""


@batch.command()
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
@click.option(
    "--priority",
    type=click.Choice(["high", "normal", "low"]),
    default="normal",
    show_default=True,
    help="High is taken before what waits already, low after all else.",
)
@click.option("--no-watch", is_flag=True, help="Submit, print the group's id and leave.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, each change one.")
def download(
    project: str, into: Path, kind: str, priority: str, no_watch: bool, as_json: bool
) -> None:
    """Download all previews of a project.

    Asks Kitsu for the list, so it needs KITSU_HOST and KITSU_BOT_TOKEN (or KITSU_LOGIN and
    KITSU_PASSWORD) here; the files themselves go through the queue to the workers. They are named
    <sequence>_<shot>_<task type>_v<revision>. One failure does not stop the rest; the exit code is
    that of the worst.
    """
    from farm_tasks.cli.previews import previews_of  # noqa: PLC0415 (brings gazu with it)
    from farm_tasks.cli.steps import Steps  # noqa: PLC0415 (brings rich with it)

    chosen = KINDS[kind]
    steps = Steps(stderr=True)
    with steps.step("List", f"asking Kitsu for the previews of {project}") as step:
        previews = [
            one
            for one in previews_of(project, chosen.extension)
            if one.is_movie or not chosen.movies_only
        ]
        step.outcome = f"project {project} has {len(previews)} {kind}"
    if not previews:
        return
    with steps.step("Submit", "putting the downloads into the queue") as step:
        # Another system's folder is absolute as it is.
        folder = into if is_absolute(str(into)) else Path(os.path.abspath(into))
        group = _submit(previews, chosen, folder, priority, step)
        step.outcome = f"group {group.id}"
    if no_watch:
        print_json({"group": group.id}) if as_json else click.echo(group.id)
        return
    from farm_tasks.cli.follow import follow_to_end  # noqa: PLC0415

    ids = [one.id for one in group.submissions]
    began = time.monotonic()
    records = follow_to_end(ids, views.choose(ids, as_json=as_json), name=f"--group {group.id}")
    if not as_json:
        _summarise(records, into, time.monotonic() - began)
    click.get_current_context().exit(worst(map(exit_code, records)))


def _submit(
    previews: Sequence[Preview], kind: _Kind, into: Path, priority: str, step: Step
) -> Group:
    from farm_tasks import submit  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.submit.group import Group  # noqa: PLC0415

    function: Callable[..., Submission] = getattr(submit, kind.function)
    submissions: list[Submission] = []
    try:
        for one in previews:
            submissions.append(function(one.id, str(into / one.file_name), priority=priority))
            step.doing = f"{len(submissions)} of {len(previews)} downloads are in the queue"
    except BaseException as error:
        # What is in the queue already is transferred: say what it can be found by.
        if submissions:
            group = Group.of(submissions)
            click.echo(
                f"{len(submissions)} of {len(previews)} were submitted, group {group.id}", err=True
            )
        if isinstance(error, KeyboardInterrupt):
            click.get_current_context().exit(INTERRUPTED)
        raise
    return Group.of(submissions)


def _summarise(records: Sequence[Record], into: Path, seconds: float) -> None:
    done = [one for one in records if one.state == SUCCESS]
    failed = [one for one in records if one.state != SUCCESS]
    moved = sum(one.progress.bytes_read for one in done)
    pace = f" at {text.rate(moved / seconds)}" if seconds >= 1 else ""
    click.echo(
        f"\n{len(done)} of {len(records)} files, {text.size(moved)} in "
        f"{text.duration(seconds)}{pace}, into {text.plain(into)}"
    )
    if not failed:
        return
    click.echo(f"{len(failed)} failed:")
    for record in failed[:MOST_REASONS]:
        click.echo(f"  {text.file_name(record.progress.file)}: {text.one_line(reason(record))}")
    if len(failed) > MOST_REASONS:
        click.echo(f"  and {len(failed) - MOST_REASONS} more: farm-tasks list --failed")
