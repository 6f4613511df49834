"""The processes of a sandbox, in the order in which they need one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import redis

from farm_tasks.sandbox import kitsu, postgres, redis_server
from farm_tasks.sandbox.kitsu import Kitsu, wait_until_it_answers
from farm_tasks.sandbox.process import LOCALHOST, Process, wait_ready
from farm_tasks.sandbox.programs import Programs
from farm_tasks.sandbox.roster import Roster

FOLDERS = ("logs", "previews", "projects", "tmp")
"""What must be in a sandbox's folder, beside ``postgres``, before the services start."""

_JOB_DATABASE = 3


@dataclass(frozen=True)
class Secrets:
    """What the services of one sandbox know of each other."""

    login: str
    password: str
    postgres_password: str
    redis_password: str
    secret_key: str


@dataclass(frozen=True)
class Addresses:
    """Where the services of one sandbox are: URLs without a trailing slash."""

    kitsu_host: str
    event_host: str
    redis_url: str


def start_stores(
    home: Path, programs: Programs, secrets: Secrets, roster: Roster
) -> tuple[Kitsu, str]:
    """Start Postgres and Redis, on which all others depend.

    Args:
        home: The sandbox's folder; Postgres' data is in it already.
        programs: What is started.
        secrets: What it is started with.
        roster: Where it is started.

    Returns:
        Kitsu, ready to be started, and Redis' URL.

    Raises:
        SandboxError: One of them did not start.
    """
    database = postgres.start_server(programs.postgres, home / "postgres", roster)
    cache = redis_server.start_server(programs.redis_server, home, secrets.redis_password, roster)
    stores = {
        "DB_HOST": LOCALHOST,
        "DB_PORT": str(database.port),
        "DB_USERNAME": postgres.USER,
        "DB_PASSWORD": secrets.postgres_password,
        "DB_DATABASE": postgres.DATABASE,
        "KV_HOST": LOCALHOST,
        "KV_PORT": str(cache.port),
        "KV_PASSWORD": secrets.redis_password,
    }
    zou = Kitsu(programs, home, stores, secrets.secret_key, roster)
    return zou, redis_server.url(cache, secrets.redis_password)


def start_all(home: Path, programs: Programs, secrets: Secrets, roster: Roster) -> Addresses:
    """Start everything, and wait until it serves. The arguments are :func:`start_stores`'s.

    Raises:
        SandboxError: One of the services did not start.
    """
    zou, redis_url = start_stores(home, programs, secrets, roster)
    # All three spend seconds with the import of zou: side by side.
    api, events, jobs = zou.start_api(), zou.start_events(), zou.start_jobs()

    def takes_jobs(_jobs: Process) -> bool:
        with redis.Redis.from_url(f"{redis_url}/{_JOB_DATABASE}") as client:
            return bool(client.scard("rq:workers"))

    addresses = Addresses(wait_until_it_answers(api), wait_until_it_answers(events), redis_url)
    wait_ready(jobs, takes_jobs, seconds=kitsu.READY_SECONDS)
    return addresses
