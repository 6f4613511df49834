"""``sandbox``: a real Kitsu and Redis on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm_tasks.cli import text
from farm_tasks.cli.outcome import print_json
from farm_tasks.errors import NotFound, PermanentFailure

if TYPE_CHECKING:
    from farm_tasks.sandbox import Sandbox, SandboxInfo
    from farm_tasks.sandbox.roster import Roster

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="The sandbox's folder. By default $FARM_TASKS_SANDBOX_HOME, else "
    "~/.local/state/farm-tasks/sandbox.",
)


@click.group()
def sandbox() -> None:
    """A real Kitsu and Redis on this machine, to try things on.

    Linux on x86-64; no Docker and no root needed. The first start installs them and takes about
    two minutes, later ones some seconds. Everything listens on 127.0.0.1 alone.
    """


@sandbox.command()
@home_option
@click.option("--export", is_flag=True, help='Print shell lines: eval "$(... up --export)".')
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON.")
def up(home: Path | None, export: bool, as_json: bool) -> None:
    """Start it, or find it running, and say how to use it."""
    with failures_of_the_sandbox():
        info = open_sandbox(home).up(on_step=lambda line: click.echo(text.plain(line), err=True))
    if as_json:
        print_json(info.to_json())
    elif export:
        for name, value in info.environment().items():
            click.echo(f"export {name}={shlex.quote(value)}")
    else:
        for line in _describe(info, home):
            click.echo(line)


@sandbox.command()
@home_option
@click.option("--remove", is_flag=True, help="Delete its data too.")
def down(home: Path | None, remove: bool) -> None:
    """End its processes, those that it started and no others."""
    with failures_of_the_sandbox():
        box = open_sandbox(home)
        ran = any(row.alive for row in box.status())
        worker_roster(box).stop()
        box.down(remove=remove)
    click.echo("The sandbox has ended." if ran else "No sandbox was running.")


@sandbox.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(home: Path | None, as_json: bool) -> None:
    """Show its processes. Exit code 3 if it is not running."""
    with failures_of_the_sandbox():
        box = open_sandbox(home)
        rows = box.status()
        others = worker_roster(box).processes()
    processes = [
        *({"name": r.name, "pid": r.pid, "port": r.port, "alive": r.alive} for r in rows),
        *({"name": p.name, "pid": p.pid, "port": p.port, "alive": p.is_alive()} for p in others),
    ]
    runs = bool(rows) and all(row.alive for row in rows)
    if as_json:
        print_json({"home": str(box.home), "running": runs, "processes": processes})
    else:
        for one in processes:
            state = "runs" if one["alive"] else "has ended"
            port = one["port"] or "-"
            click.echo(f"{one['name']:<13} pid {one['pid']:<8} port {port:<6} {state}")
        click.echo(f"logs: {text.plain(box.home / 'logs')}" if rows else "It is not running.")
    click.get_current_context().exit(0 if runs else NotFound.exit_code)


def open_sandbox(home: Path | None = None) -> Sandbox:
    """The sandbox in ``home``, running or not."""
    from farm_tasks.sandbox import Sandbox  # noqa: PLC0415 (brings gazu with it)

    return Sandbox(home)


def worker_roster(box: Sandbox) -> Roster:
    """Where the worker of a demo is remembered, so that ``down`` ends it too."""
    from farm_tasks.sandbox.roster import Roster  # noqa: PLC0415

    return Roster(box.home / "worker.json", box.home / "logs")


@contextmanager
def failures_of_the_sandbox() -> Iterator[None]:
    """Turn its errors into ours; the log that they end with is printed as it is.

    Raises:
        PermanentFailure: a SandboxError; or this is Windows, where it cannot even be imported.
    """
    try:
        from farm_tasks.sandbox.errors import SandboxError  # noqa: PLC0415
    except ImportError as error:
        raise PermanentFailure(f"The sandbox needs Linux on x86-64 ({error}).") from error
    try:
        yield
    except OSError as error:
        raise PermanentFailure(
            f"The sandbox cannot be kept here ({error}). Give a folder with --home or "
            "FARM_TASKS_SANDBOX_HOME, and one for what it installs with XDG_CACHE_HOME."
        ) from error
    except SandboxError as error:
        message, _, log = str(error).partition("\n")
        for line in log.splitlines():
            click.echo(text.plain(line), err=True)
        raise PermanentFailure(message) from error


def _describe(info: SandboxInfo, home: Path | None) -> Iterator[str]:
    """What a person needs to use it, in lines."""
    rows = {
        "Kitsu": f"{info.kitsu_host} (the API; it has no web page)",
        "login": f"{info.login}, password {info.password}",
        "project": f"{info.project_name}, {info.project_id}",
        "task": f"{info.task_id} (SQ01 SH010 Compositing)",
        "status wfa": info.task_status_ids.get("wfa", ""),
        "files": info.projects_folder,
        "logs": info.home / "logs",
    }
    for name, value in rows.items():
        yield f"{name:<11} {text.plain(value)}"
    at_home = f" --home {shlex.quote(str(home))}" if home else ""
    yield ""
    yield f'In your shells:  eval "$(farm-tasks sandbox up --export{at_home})"'
    yield "Then:            farm-tasks worker"
    yield f"At the end:      farm-tasks sandbox down{at_home}"
