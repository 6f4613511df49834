"""The Kitsu API server, zou: its environment, its database's first fill, and its processes.

zou is under the AGPL. It is run as a program of its own and never imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import requests

from farm_tasks.sandbox.errors import SandboxError
from farm_tasks.sandbox.process import LOCALHOST, Process, wait_ready
from farm_tasks.sandbox.programs import Programs
from farm_tasks.sandbox.roster import Roster

READY_SECONDS = 120
API_WORKERS = 2

# Three commands in one process: most of their time is the import of zou. The password comes by the
# standard input, since every user of the machine may read a command line.
_INITIALISE = """
import sys
from zou.cli import cli
login, password = sys.stdin.read().split()
for command in (["init-db"], ["create-admin", login, "--password", password], ["init-data"]):
    cli.main(command, standalone_mode=False)
"""

# --preload has the workers share one import of zou (half the time, 140 MB less); gevent must have
# patched the standard library before that import.
_GUNICORN = """
from gevent import monkey
monkey.patch_all()
from gunicorn.app.wsgiapp import run
run()
"""


class Kitsu:
    """Runs zou.

    Args:
        programs: Holds the interpreter with zou, and ffmpeg.
        home: The sandbox's folder, with ``tmp`` and ``previews`` in it.
        stores: Where Postgres and Redis are, by the names of zou's environment variables.
        secret_key: Signs the access tokens.
        roster: Where the processes are started.
    """

    def __init__(
        self,
        programs: Programs,
        home: Path,
        stores: Mapping[str, str],
        secret_key: str,
        roster: Roster,
    ) -> None:
        self._python = programs.zou_python
        self._home = home
        self._environment = _environment(programs, home, stores, secret_key)
        self._roster = roster

    def initialise(self, login: str, password: str) -> None:
        """Make the tables, the administrator, and the data that every Kitsu starts with.

        Raises:
            SandboxError: zou failed; with the end of what it said.
        """
        done = subprocess.run(
            [self._python, "-I", "-c", _INITIALISE],
            check=False,
            input=f"{login} {password}",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self._home,
            env=self._environment,
        )
        if done.returncode:
            raise SandboxError(f"zou could not fill its database:\n{done.stdout[-3000:]}")

    def start_api(self) -> Process:
        """Start the API server; :func:`wait_until_it_answers` tells when it serves."""
        workers = ["--preload", "--workers", str(API_WORKERS), "--worker-class", "gevent"]
        return self._start_gunicorn("kitsu", "zou.app:app", workers)

    def start_events(self) -> Process:
        """Start the socket.io server; :func:`wait_until_it_answers` tells when it serves."""
        worker = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
        workers = ["--workers", "1", "--worker-class", worker]
        return self._start_gunicorn("kitsu-events", "zou.event_stream:app", workers)

    def start_jobs(self) -> Process:
        """Start the worker of Kitsu's own queue, which normalises movies."""
        worker = ["worker", "-w", "zou.app.utils.job_worker.ZouWorker", "-c", "zou.job_settings"]
        command: list[str | Path] = [self._python, "-I", "-m", "rq.cli", *worker]
        return self._roster.start("kitsu-jobs", command, cwd=self._home, env=self._environment)

    def _start_gunicorn(self, name: str, application: str, workers: list[str]) -> Process:
        # It inherits a socket that is bound already, so that nobody can take its port first.
        with socket.create_server((LOCALHOST, 0), backlog=128) as listener:
            command: list[str | Path] = [
                *(self._python, "-I", "-c", _GUNICORN),
                *("--bind", f"fd://{listener.fileno()}"),
                *("--timeout", "600"),  # seconds: an upload of gigabytes blocks its worker
                *("--keep-alive", "75"),  # as nginx, which stands in front elsewhere
                *("--worker-tmp-dir", self._home / "tmp"),
                "--no-control-socket",
                *workers,
                application,
            ]
            return self._roster.start(
                name,
                command,
                cwd=self._home,
                env=self._environment,
                port=listener.getsockname()[1],
                # What it knows is in the database. Gently, Python takes 3 s to forget zou.
                stop_signal=signal.SIGKILL,
                pass_fds=[listener.fileno()],
            )


def wait_until_it_answers(server: Process) -> str:
    """Wait until a server started here answers, and return its URL.

    Raises:
        SandboxError: It ended, or does not answer in time; with the end of its log.
    """
    url = f"http://{LOCALHOST}:{server.port}"

    def answers(_server: Process) -> bool:
        with requests.Session() as session:
            session.trust_env = False  # a proxy knows nothing of our localhost
            try:
                return session.get(url, timeout=5).ok
            except requests.RequestException:
                return False

    wait_ready(server, answers, seconds=READY_SECONDS)
    return url


def _environment(
    programs: Programs, home: Path, stores: Mapping[str, str], secret_key: str
) -> dict[str, str]:
    """Return the whole environment of zou's processes.

    Nothing is taken from ours but the library path: a studio's PYTHONPATH is for other programs.
    """
    values = {
        "PATH": f"{programs.ffmpeg.parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TMPDIR": str(home / "tmp"),  # where uploads wait while they arrive
        "TMP_DIR": str(home / "tmp"),
        "PREVIEW_FOLDER": str(home / "previews"),
        "PLUGIN_FOLDER": str(home / "plugins"),  # missing, as is the next: zou imports empty ones
        "EVENT_HANDLERS_FOLDER": str(home / "event_handlers"),
        "SECRET_KEY": secret_key,
        "ENABLE_JOB_QUEUE": "true",
        "MAIL_ENABLED": "false",
        "MAIL_CHECK_DELIVERABILITY": "false",
        "IS_SELF_HOSTED": "false",  # which means: no telemetry
        "USER_LIMIT": "1000",
        "DEFAULT_TIMEZONE": "UTC",
        "MOVIE_ENCODING_PRESET": "ultrafast",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        values["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return values | dict(stores)
