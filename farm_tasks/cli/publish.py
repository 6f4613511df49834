"""``publish``: the one line at the end of a render job."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.cli import text, views
from farm_tasks.cli.outcome import as_dict, error_of, exit_code, print_json
from farm_tasks.cli.publish_options import comment_options, frame_options, submission_options
from farm_tasks.cli.root import print_error
from farm_tasks.errors import BrokerUnavailable, InvalidArgument
from farm_tasks.farms.client import content_of_request
from farm_tasks.farms.dialects import NAMES

if TYPE_CHECKING:
    from farm_tasks.submit.submission import Submission

_FILE = click.Path()


@click.command()
@click.argument("previews", metavar="[FILE]...", nargs=-1, type=_FILE)
@click.option(
    "--task",
    metavar="TASK",
    help="project/sequence/shot/task_type, project/episode/sequence/shot/task_type, "
    "project/asset_type/asset/task_type, or an id.",
)
@comment_options
@click.option("--quiet", is_flag=True, help="Keep the present status, as without --status.")
@click.option(
    "--attachment", "attachments", metavar="FILE", multiple=True, type=_FILE,
    help="A file for the comment. May be given more than once.",
)  # fmt: skip
@click.option("--frames", metavar="PATTERN", help="Make a movie of beauty.####.exr first.")
@frame_options
@click.option("--movie-path", metavar="FILE", type=_FILE, help="Keep the movie there.")
@click.option(
    "--key", metavar="K",
    help="Names this piece of work, such as tractor:<job id>:{content}: with one key it is "
    "published once. {content} becomes a digest of the files' names, sizes and times.",
)  # fmt: skip
@submission_options
@click.option("--stdin", "from_stdin", is_flag=True, help="Read these as a JSON object as well.")
@click.option("--wait/--no-wait", default=None, help="Stay until the publish has ended.")
@click.option(
    "--progress", type=click.Choice(NAMES),
    help="Wait, and say how far it is as a farm reads it: alf (Tractor), afanasy, openjd.",
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="S",
    help="Wait, but no longer than so many seconds: then leave with exit code 75. It goes on.",
)  # fmt: skip
@click.option(
    "--spool", metavar="DIR", type=_FILE,
    help="Keep the request there while the broker is away: `farm-tasks spool flush` sends it. By "
    "default FARM_TASKS_SPOOL.",
)  # fmt: skip
@click.option(
    "--spooled-exit", type=click.Choice(["75", "0"]), default="75", show_default=True,
    help="The exit code then. A farm that tries again after 75 needs a --key or a --farm-job, or "
    "it makes another request.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the id.")
def publish(
    quiet: bool,
    from_stdin: bool,
    wait: bool | None,
    progress: str | None,
    timeout: float | None,
    spool: str | None,
    spooled_exit: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Publish files, or the movie of rendered frames, on a task in Kitsu.

    Prints the submission's id and returns, or waits for the end with --wait. Names are looked up by
    the worker, which alone has Kitsu's credentials.

    \b
      farm-tasks publish --task demo/SQ01/SH010/compositing \\
          --status wfa --wait comp_v003.mov
      farm-tasks publish --task demo/SQ01/SH010/compositing \\
          --frames beauty.####.exr --range 1001-1100 --fps 24000/1001 \\
          --status wfa --key "$JOB_ID:{content}" --wait
    """  # noqa: D301 (click takes a backspace for the end of its wrapping)
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    if quiet and "task_status" in given:
        raise click.UsageError("--quiet keeps the present status, and --status sets one.")
    arguments = {**(_read_stdin() if from_stdin else {}), **given}
    if quiet:
        arguments.pop("task_status", None)
    if not arguments.get("task"):
        raise click.UsageError("Say which task with --task.")
    key = arguments.get("key")
    if isinstance(key, str) and "{content}" in key:
        arguments["key"] = key.replace("{content}", _content_of(arguments))
    if wait is None:
        wait = progress is not None or timeout is not None
    try:
        submission = _submit(arguments, spool)
    except _Spooled as spooled:
        _tell(spooled, as_json=as_json)
        click.get_current_context().exit(int(spooled_exit))
    _follow(submission, wait=wait, progress=progress, timeout=timeout, as_json=as_json)


class _Spooled(Exception):
    """The broker is away, and the request is kept."""

    def __init__(self, path: Path, key: str, why: BrokerUnavailable) -> None:
        super().__init__(str(why))
        self.path, self.key = path, key


def _content_of(arguments: Mapping[str, Any]) -> str:
    from farm_tasks import path_map  # noqa: PLC0415 (pydantic is not for --help)

    mapping = path_map.current()

    def here(value: Any) -> Any:
        """Where it is on this machine, whichever system wrote it."""
        if isinstance(value, list | tuple):
            return [here(one) for one in value]
        return mapping.to_local(value).path if mapping and isinstance(value, str) else value

    files = {name: here(arguments.get(name)) for name in ("previews", "frames")}
    # It has no annotations: it is also the file that a farm with an old Python copies.
    digest: str = content_of_request(files)  # type: ignore[no-untyped-call]
    return digest


def _submit(arguments: Mapping[str, Any], folder: str | None) -> Submission:
    from farm_tasks import submit  # noqa: PLC0415 (Celery is not for --help)
    from farm_tasks.settings import settings  # noqa: PLC0415 (pydantic is not for --help)

    called = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in arguments.items()
    }
    function: Callable[..., Submission] = submit.publish
    try:
        inspect.signature(function).bind(**called)
    except TypeError as error:
        raise InvalidArgument(f"publish: {error}.") from None
    spool = folder or settings().spool_folder
    if spool is None:
        return function(**called)
    # Tried with the key that it would be kept with: nobody can tell whether a broker that went away
    # in the middle has it.
    key = str(called.setdefault("key", f"spool:{_request_name(called)}"))
    try:
        return function(**called)
    except BrokerUnavailable as error:
        from farm_tasks.submit import spool as spooling  # noqa: PLC0415

        about: dict[str, Any] = {
            name: called.pop(name) for name in ("priority", "farm_job") if name in called
        }
        del called["key"]
        path = spooling.write(spool, "publish", called, key, **about)
        raise _Spooled(path, key, error) from error


def _request_name(called: Mapping[str, Any]) -> str:
    """The same for each try of a farm's job; another one each time that a person asks."""
    from farm_tasks.submit.farm_job import farm_job_of  # noqa: PLC0415

    job = farm_job_of(called.get("farm_job"))
    if job is None:
        return str(uuid.uuid4())
    said = json.dumps({**called, "farm_job": job, "content": _content_of(called)}, sort_keys=True)
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:32]


def _tell(spooled: _Spooled, *, as_json: bool) -> None:
    if as_json:
        print_json({"spooled": str(spooled.path), "key": spooled.key})
        return
    click.echo(f"spooled {text.plain(str(spooled.path))}")
    click.echo(
        f"{text.one_line(spooled)} It is kept, and sent by `farm-tasks spool flush`.", err=True
    )


def _read_stdin() -> dict[str, Any]:
    """The arguments of ``submit.publish`` as JSON, as a farm's own script may have them."""
    try:
        found = json.load(sys.stdin)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"What comes on stdin is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError("What comes on stdin is no JSON object.")
    return found


def _follow(
    submission: Submission,
    *,
    wait: bool,
    progress: str | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    if not as_json:
        click.echo(submission.id)
        sys.stdout.flush()  # whoever reads it need not wait for the end
    elif not wait:
        print_json({"id": submission.id})
    if not wait:
        return
    from farm_tasks.cli.follow import follow_to_end  # noqa: PLC0415 (not for --help)

    ids = [submission.id]
    how = progress or ("none" if as_json else "bar")
    view = views.choose_dialect(how, ids, on_stderr=True)
    record = follow_to_end(ids, view, timeout, name=submission.id)[0]
    if as_json:
        print_json(as_dict(record))
    error = error_of(record)
    if error is not None and how in {"none", "json"}:  # the others have told it, in their words
        print_error(str(error))
    click.get_current_context().exit(exit_code(record))
