"""``demo``: a movie through a real worker into a real Kitsu, to be watched."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.cli import text, views
from farm_tasks.cli.demo_parts import (
    DemoWorker,
    Leftovers,
    make_movie,
    point_here,
    wait_until_ready,
)
from farm_tasks.cli.follow import follow_to_end
from farm_tasks.cli.outcome import error_of
from farm_tasks.cli.sandbox import failures_of_the_sandbox, home_option, open_sandbox
from farm_tasks.cli.slow_line import SlowLine
from farm_tasks.cli.steps import Steps

if TYPE_CHECKING:
    from farm_tasks.sandbox import SandboxInfo
    from farm_tasks.submit.submission import Submission

UPLOAD_SECONDS = 7.0
"""How long the upload is to take: long enough for a bar to be looked at."""


@click.command()
@home_option
@click.option("--keep", is_flag=True, help="Leave Kitsu, Redis and the worker running.")
@click.option(
    "--size",
    type=click.IntRange(5, 500),
    default=40,
    show_default=True,
    metavar="MB",
    help="How large the movie is to be, about.",
)
def demo(home: Path | None, keep: bool, size: int) -> None:
    """See it work: a real Kitsu, a worker and a movie through them, all on this machine.

    Starts the sandbox and a worker, makes a movie, publishes it as a preview through the queue with
    a live bar, waits until Kitsu has processed it, and downloads its thumbnail. Nothing is left
    running at the end, unless with --keep. The first time installs Kitsu, which takes about two
    minutes; later ones take less than one.
    """
    steps = Steps()
    with failures_of_the_sandbox(), contextlib.ExitStack() as stack:
        box = open_sandbox(home)
        leftovers = stack.enter_context(Leftovers(box, steps))
        with steps.step("Kitsu", "starting Postgres, Redis and Kitsu") as step:
            info = box.up(on_step=step.say)
            step.outcome = f"runs at {info.kitsu_host} (the API; it has no web page)"
        point_here(info)
        worker = DemoWorker(box, info)
        with SlowLine(info.kitsu_host, size * 1e6 / UPLOAD_SECONDS) as line:
            with steps.step("Worker", "starting `farm-tasks worker`") as step:
                worker.start(line.address)
                step.outcome = f"listens; its log is {worker.log}"
            report = _publish(steps, info, size)
        if keep or (leftovers.sandbox_ran and leftovers.worker_ran):
            with steps.step("Worker", "starting it again, without the slow line") as step:
                worker.start(info.kitsu_host)
                step.outcome = "listens, without the slow line"
            leftovers.keep()
    if leftovers.kept:
        report = {"Kitsu": info.kitsu_host, "login": info.login, "password": info.password} | report
    click.echo()
    for name, value in report.items():
        click.echo(f"{name:<12}{text.plain(value)}")
    click.echo()
    for row in _what_next(info, home, leftovers):
        click.echo(row)


def _publish(steps: Steps, info: SandboxInfo, size: int) -> dict[str, object]:
    """Make the movie, send it, wait for Kitsu and fetch the thumbnail; returns what to print."""
    from farm_tasks import submit  # noqa: PLC0415 (Celery is not for --help)

    folder = info.projects_folder / "demo"
    folder.mkdir(exist_ok=True)
    movie = folder / "SQ01_SH010_compositing.mp4"
    with steps.step("Movie", "rendering 5 s of 1080p") as step:
        make_movie(info.ffmpeg, movie, size)
        step.outcome = f"{movie}, {text.size(movie.stat().st_size)}"
    # The line is slow so that there is something to see.
    line = text.rate(size * 1e6 / UPLOAD_SECONDS)
    steps.say("Upload", f"a comment and the movie as its preview, over a line of {line}")
    upload = submit.publish_preview(
        info.task_id,
        info.task_status_ids["wfa"],
        comment="Hello from `farm-tasks demo`",
        preview_file_path=str(movie),
    )
    _comment, preview = _follow(upload)
    with steps.step("Kitsu", "transcoding the movie") as step:
        ready = wait_until_ready(preview["id"])
        step.outcome = (
            f"preview is ready: {ready.get('width')}x{ready.get('height')}, "
            f"{ready.get('duration')} s, revision {ready.get('revision')}"
        )
    thumbnail = folder / "SQ01_SH010_compositing_thumbnail.png"
    steps.say("Download", "its thumbnail")
    download = submit.download_preview_file_thumbnail(preview["id"], str(thumbnail))
    _follow(download)
    return {
        "preview": preview["id"],
        "movie": movie,
        "thumbnail": thumbnail,
        "logs": info.home / "logs",
        "submissions": f"{upload.id} {download.id}",
    }


def _follow(submission: Submission) -> Any:
    ids = [submission.id]
    record = follow_to_end(ids, views.choose(ids))[0]
    error = error_of(record)
    if error is not None:
        raise error
    return record.result


def _what_next(info: SandboxInfo, home: Path | None, leftovers: Leftovers) -> list[str]:
    if not leftovers.kept:
        left = "Kitsu runs on as before" if leftovers.sandbox_ran else "nothing is left running"
        return [
            f"It worked, and {left}. To look around, leave everything up:",
            "  farm-tasks demo --keep",
        ]
    at_home = f" --home {shlex.quote(str(home))}" if home else ""
    previews = shlex.quote(str(info.projects_folder / "previews"))
    return [
        "It worked, and all of it still runs. To look around:",
        f'  eval "$(farm-tasks sandbox up --export{at_home})"',
        "  farm-tasks list",
        f"  farm-tasks batch download --project {info.project_name} --into {previews}",
        "  farm-tasks doctor",
        f"  farm-tasks sandbox down{at_home}",
    ]
