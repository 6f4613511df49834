"""The doctor's checks. Each yields what it found; none raises."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from farm_tasks.cli import text
from farm_tasks.errors import (
    BrokerUnavailable,
    FarmTasksError,
    FileMissing,
    FileUnreadable,
    NotConfigured,
    TemporaryFailure,
)

REQUIRED = {
    "celery": ">=5.6.3,<5.7",
    "kombu": ">=5.6.2,<5.7",
    "redis": ">=5.3.1,<8",
    "requests": ">=2.32.3,<3",
    "urllib3": ">=2.3,<3",
    "gazu": ">=1.3.1,<2",
}
"""As in pyproject.toml, whose reasons hold: pip warns of others, but installs them."""

LITTLE_SPACE = 10 * 10**9
"""Bytes on a disk below which a hint is given: a few films and it is full."""

PING_SECONDS = 2.0

_ONLY_WORKERS = "not set here (only workers need it)"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        state: ``ok``, ``hint``, ``failed`` or ``not set``.
        text: What was seen.
        advice: What to change, where something should be.
        exit_code: 0 unless it failed.
        ends_it: Nothing further can be looked at.
    """

    name: str
    state: str
    text: str
    advice: str = ""
    exit_code: int = 0
    ends_it: bool = False


def _failed(name: str, error: FarmTasksError, advice: str = "", ends_it: bool = False) -> Finding:
    return Finding(name, "failed", str(error), advice, error.exit_code, ends_it)


def versions() -> Iterator[Finding]:
    """Python and the libraries that it depends on."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 (comes with kombu)

    here = f"Python {platform.python_version()} on {platform.system()}"
    yield Finding("Python", "ok", here)
    found, wrong = [], []
    for name, wanted in REQUIRED.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if not SpecifierSet(wanted).contains(version, prereleases=True):
            wrong.append(f"{name} is {version}")
    if wrong:
        needed = " ".join(f"'{name}{wanted}'" for name, wanted in REQUIRED.items())
        yield _failed(
            "libraries", NotConfigured("; ".join(wrong)), f"Run: python -m pip install {needed}"
        )
    else:
        yield Finding("libraries", "ok", ", ".join(found))


def settings_readable() -> Iterator[Finding]:
    """The environment variables: without them nothing else can be looked at."""
    from farm_tasks.settings import settings  # noqa: PLC0415

    try:
        settings()
    except FarmTasksError as error:
        yield _failed("settings", error, "Mend this variable and run the doctor again.", True)


def broker() -> Iterator[Finding]:
    """Whether messages can be sent."""
    from farm_tasks.submit.connection import sender  # noqa: PLC0415

    connection = sender().connection_for_write(connect_timeout=3)
    address = connection.as_uri()  # without the password
    try:
        connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=5)
    except Exception as error:
        yield _failed(
            "broker",
            BrokerUnavailable(f"{address} cannot be reached ({error})."),
            "Start it, or set FARM_TASKS_BROKER_URL to where it is.",
        )
    else:
        properties = getattr(connection.connection, "server_properties", {})  # RabbitMQ's
        said = f", {properties['product']} {properties['version']}" if properties else ""
        yield Finding("broker", "ok", f"{address}{said}")
    finally:
        connection.release()


def result_backend() -> Iterator[Finding]:
    """Whether progress and results can be kept, and for how long."""
    from farm_tasks.submit.connection import redis_client, sender  # noqa: PLC0415

    address = sender().backend.as_uri(include_password=False)
    try:
        redis = redis_client()
        facts: dict[str, Any] = redis.info()
    except Exception as error:
        yield _failed(
            "result backend",
            BrokerUnavailable(f"{address} cannot be reached ({error})."),
            "Start Redis, or set FARM_TASKS_RESULT_BACKEND to where it is.",
        )
        return
    yield Finding("result backend", "ok", f"{address}, Redis {facts.get('redis_version')}")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            "",
            "hint",
            f"Redis forgets keys when its memory is full (maxmemory-policy {policy}).",
            "Set maxmemory-policy noeviction, or submissions vanish.",
        )
    if not facts.get("aof_enabled"):
        yield Finding(
            "",
            "hint",
            "Redis keeps no append-only file.",
            "Set appendonly yes, or what is queued is lost when it restarts.",
        )


def workers() -> Iterator[Finding]:
    """Whether a worker answers, and each queue has one; and how many messages wait in it."""
    from farm_tasks.queues import ALL, DEFAULT, MEDIA  # noqa: PLC0415
    from farm_tasks.submit.connection import sender  # noqa: PLC0415

    app = sender()
    try:
        inspect = app.control.inspect(timeout=PING_SECONDS)
        heard: dict[str, list[dict[str, Any]]] = inspect.active_queues() or {}
        waiting = {queue: _waiting(app, queue) for queue in ALL}
    except Exception as error:
        yield _failed("worker", BrokerUnavailable(f"nobody can be asked ({error})."))
        return
    workers_of = {
        queue: sorted(name for name, taken in heard.items() if queue in {q["name"] for q in taken})
        for queue in ALL
    }
    if not any(workers_of.values()):
        others = f", only {', '.join(sorted(heard))} on other queues" if heard else ""
        yield _failed(
            "worker",
            TemporaryFailure(f"none answers{others}; {sum(waiting.values())} message(s) wait."),
            "Start one with `farm-tasks worker`. In pool solo, one that is busy cannot answer.",
        )
        return
    for queue, names in workers_of.items():
        wait = f"{waiting[queue]} waiting"
        if names:
            told = f"{queue}: {wait}, {len(names)} listening: {', '.join(names)}"
            yield Finding("worker", "ok", told)
        elif queue in {DEFAULT, MEDIA} and not waiting[queue]:
            # Our own submitters send nothing to the one, and not every farm has frames.
            yield Finding("worker", "not set", f"{queue}: {wait}, nobody listening")
        else:
            yield _failed(
                "worker",
                TemporaryFailure(f"{queue}: {wait}, nobody listening."),
                "Start one with `farm-tasks worker` for all queues, or with --queues "
                f"{queue.removeprefix(DEFAULT + '.')}.",
            )


def _waiting(app: Any, queue: str) -> int:
    """How many messages no worker has yet. A queue that nobody has used does not exist."""
    with app.connection_for_read(connect_timeout=3) as connection:
        try:
            declared = connection.default_channel.queue_declare(queue, passive=True)
        except connection.channel_errors:
            return 0
        return int(declared.message_count)


def kitsu() -> Iterator[Finding]:
    """Whether Kitsu can be reached, and as whom."""
    from farm_tasks.settings import settings  # noqa: PLC0415

    if not settings().kitsu_host:
        yield Finding("Kitsu", "not set", f"KITSU_HOST: {_ONLY_WORKERS}")
        return
    import gazu  # noqa: PLC0415 (a submitter may not have it)

    from farm_tasks.kitsu.calls import calling  # noqa: PLC0415
    from farm_tasks.kitsu.client import find_api, kitsu_client  # noqa: PLC0415

    try:
        address = find_api(settings())
    except FarmTasksError as error:
        yield _failed("Kitsu", error, "Is KITSU_HOST right, and Kitsu running?")
        return
    try:
        with calling(kitsu_client()) as client:
            version = gazu.client.get_api_version(client=client)
            yield Finding("Kitsu", "ok", f"{address}, zou {version}")
            user = gazu.client.get_current_user(client=client)
    except FarmTasksError as error:
        yield _failed(
            "Kitsu login", error, "Check KITSU_BOT_TOKEN, or KITSU_LOGIN and KITSU_PASSWORD."
        )
        return
    name = user.get("full_name") or user.get("email") or user.get("id")
    kind = "bot" if user.get("is_bot") else "person"
    yield Finding("Kitsu login", "ok", f"{name} ({kind}), role {user.get('role')}")
    if user.get("role") in {"client", "vendor"}:
        yield Finding(
            "",
            "hint",
            f"A {user['role']} sees and changes little.",
            "Give the bot the role manager, or admin for everybody's avatars.",
        )


def roots() -> Iterator[Finding]:
    """Whether the worker's folders are there, and can be used."""
    from farm_tasks.settings import settings  # noqa: PLC0415

    for name, variable, folders in (
        ("read roots", "FARM_TASKS_READ_ROOTS", settings().read_roots),
        ("write roots", "FARM_TASKS_WRITE_ROOTS", settings().write_roots),
    ):
        if not folders:
            yield Finding(name, "not set", f"{variable}: {_ONLY_WORKERS}")
        for folder in folders:
            yield usable_folder(name, variable, folder, writes=name.startswith("write"))


def limits() -> Iterator[Finding]:
    """What a worker with this environment may use at this hour."""
    from farm_tasks import schedule  # noqa: PLC0415
    from farm_tasks.settings import settings  # noqa: PLC0415

    given = settings()
    if given.bandwidth is not None:
        lanes = schedule.bandwidth(given.bandwidth).now() or schedule.Bandwidth()
        shown = [
            f"{name} {schedule.UNLIMITED if lane is None else f'{text.size(lane)}/s'}"
            for name, lane in lanes._asdict().items()
        ]
        yield Finding("bandwidth", "ok", f"{', '.join(shown)} now ({given.bandwidth})")
    if given.rate is not None:
        times = schedule.rate(given.rate).now()
        now = schedule.UNLIMITED if times is None else f"{times * 60:g} transfers a minute"
        yield Finding("rate", "ok", f"{now} now ({given.rate})")


def usable_folder(name: str, variable: str, folder: Path, *, writes: bool) -> Finding:
    """Whether a folder that ``variable`` names is there, and can be read, or written to."""
    if not folder.is_dir():
        return _failed(
            name, FileMissing(f"{folder} is not a folder here."), f"Mount it or change {variable}."
        )
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
        if writes:
            # Permission bits lie on network file systems; a file that was written does not.
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"farm-tasks doctor")
    except OSError as error:
        deed = "written to" if writes else "read"
        return _failed(
            name,
            FileUnreadable(f"{folder} cannot be {deed} ({error.strerror})."),
            f"Give {_user()} the permission, or change {variable}.",
        )
    if not writes:
        return Finding(name, "ok", f"{folder}")
    free = shutil.disk_usage(folder).free
    said = f"{folder}, {text.size(free)} free"
    if free < LITTLE_SPACE:
        return Finding(name, "hint", said, "That is little: downloads fail when it is full.")
    return Finding(name, "ok", said)


def _user() -> str:
    with contextlib.suppress(Exception):
        import getpass  # noqa: PLC0415

        return getpass.getuser()
    return "this user"
