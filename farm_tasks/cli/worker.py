"""``worker``: Celery's worker with our defaults."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from farm_tasks.cli import log_line
from farm_tasks.cli.become import become_celery, flush_beside
from farm_tasks.errors import InvalidArgument

SLOTS = 8
"""Transfers at a time. They wait for a network: eight at 20 MB/s each are more than a line of 1
Gbit/s takes, and a tenth of one CPU (docs/performance.md, many transfers)."""


def _queue_names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Celery's list of queues."""
    if value is None:
        return None
    from farm_tasks.queues import named  # noqa: PLC0415 (pydantic is not for --help)

    try:
        return ",".join(named(value))
    except InvalidArgument as error:
        raise click.BadParameter(f"{error} For one of your own: -- --queues NAME.") from None


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(min=1),
    metavar="N",
    help="Transfers at a time. By default 8; where movies are made of frames, one for each CPU, at "
    "least 2 and at most 8.",
)
@click.option(
    "--pool",
    "-P",
    type=click.Choice(["prefork", "threads", "solo"]),
    help="Processes, threads, or one after the other. By default prefork; on Windows, where that "
    "does not run, threads.",
)
@click.option(
    "--loglevel",
    "-l",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
@click.option(
    "--queues",
    "-Q",
    metavar="Q,...",
    callback=_queue_names,
    help="What to take: uploads, downloads, small, media (frames to make movies of), default (what "
    "was sent with Celery alone). By default all of them, in turn; media only where the extra of "
    "that name is installed.",
)
@click.option(
    "--hostname",
    "-n",
    metavar="NAME",
    help="No two workers may have the same. By default its queues@ this machine's name, or celery@ "
    "with all of them.",
)
@click.option(
    "--spool",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Submit what waits in this folder, every few seconds, as long as the worker runs.",
)
@click.argument("celery_arguments", nargs=-1, metavar="[-- CELERY ARGUMENT...]")
def worker(
    concurrency: int | None,
    pool: str | None,
    loglevel: str,
    queues: str | None,
    hostname: str | None,
    spool: Path | None,
    celery_arguments: tuple[str, ...],
) -> None:
    """Run a worker on this machine, until it is told to end.

    It needs KITSU_HOST and KITSU_BOT_TOKEN (or KITSU_LOGIN and KITSU_PASSWORD), and the folders
    that it may use in FARM_TASKS_READ_ROOTS and FARM_TASKS_WRITE_ROOTS. On Ctrl-C or SIGTERM the
    transfers that run have FARM_TASKS_GRACE_SECONDS to end, then they go to another worker; Ctrl-C
    twice or SIGQUIT do not wait. This is `celery -A farm_tasks worker`; what follows `--` goes to
    Celery.
    """
    from farm_tasks import path_map  # noqa: PLC0415 (pydantic is not for --help)
    from farm_tasks.settings import settings  # noqa: PLC0415

    current = settings()
    path_map.current()  # as a check: with a wrong one every transfer would fail
    if not current.read_roots and not current.write_roots:
        log_line.write(
            logging.WARNING,
            "this worker will move no files: set FARM_TASKS_READ_ROOTS and FARM_TASKS_WRITE_ROOTS "
            "to the folders that it may use.",
        )
    if not current.kitsu_host:
        log_line.write(logging.WARNING, "KITSU_HOST is not set: every transfer will fail.")
    if spool is not None:
        flush_beside(spool)
    become_celery(
        "worker",
        *("--pool", pool or ("threads" if sys.platform == "win32" else "prefork")),
        *("--concurrency", str(concurrency or default_concurrency(queues))),
        *("--loglevel", loglevel.upper()),
        # Workers here need nothing from each other, and what they would say grows with their number
        # squared: all the time, and as each starts or comes back to Redis, which takes a second.
        # What mingle brings is the ids that another one discards, and a cancel is in Redis; and a
        # clock that would go wrong again at once without gossip.
        "--without-gossip",
        "--without-mingle",
        *(("--queues", queues) if queues else ()),
        *(("--hostname", name) if (name := hostname or (queues and _name_for(queues))) else ()),
        *celery_arguments,
    )


def _name_for(queues: str) -> str:
    """A name that workers of one host do not share as long as their queues differ."""
    from farm_tasks.queues import short_name  # noqa: PLC0415 (pydantic is not for --help)

    return "-".join(map(short_name, queues.split(","))) + "@%h"


def default_concurrency(queues: str | None = None) -> int:
    """How many slots a worker of these queues has; None are all of them.

    Transfers wait for disks and networks. Movies want a CPU, and too many starve each other.
    """
    from farm_tasks.queues import MEDIA  # noqa: PLC0415 (pydantic is not for --help)
    from farm_tasks.worker.media_queue import can_make_movies  # noqa: PLC0415 (nor is Celery)

    makes_movies = MEDIA in queues.split(",") if queues else can_make_movies()
    return max(2, min(SLOTS, os.cpu_count() or 2)) if makes_movies else SLOTS
