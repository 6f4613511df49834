"""A real Kitsu, Postgres and Redis on localhost, for the demo and the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from farm_tasks.sandbox import postgres, programs, seed, services
from farm_tasks.sandbox.cache import cache_folder, locked
from farm_tasks.sandbox.errors import SandboxError
from farm_tasks.sandbox.files import write_private
from farm_tasks.sandbox.guard import Guard
from farm_tasks.sandbox.info import SandboxInfo
from farm_tasks.sandbox.roster import Roster
from farm_tasks.sandbox.seed import Seed
from farm_tasks.sandbox.services import Secrets
from farm_tasks.sandbox.template import Template, template

# Kitsu uses databases 0 to 4 of the same Redis.
BROKER_DATABASE = 10
RESULT_DATABASE = 11

_FILES = ("state.json", "instance.json", "processes.json", "redis.conf")


class Row(NamedTuple):
    """One process of the sandbox, as :meth:`Sandbox.status` tells it."""

    name: str
    pid: int
    port: int | None
    alive: bool


class Sandbox:
    """A Kitsu that is real, local and yours to break. Linux on x86-64, no Docker, no root needed.

    ``up()`` leaves it running after the Python process ends. As a context manager it is there for
    the block: what the block found (nothing, a stopped sandbox, a running one) is what it leaves,
    even where Python is killed inside.

    Args:
        home: The folder for its data; $FARM_TASKS_SANDBOX_HOME by default, else
            $XDG_STATE_HOME/farm-tasks/sandbox, else ~/.local/state/farm-tasks/sandbox.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home or _default_home()).absolute()
        self._lock = self.home / "sandbox.lock"
        self._state = self.home / "state.json"
        self._instance = self.home / "instance.json"
        self._roster = Roster(self.home / "processes.json", self.home / "logs")
        self._guard: Guard | None = None

    def up(self, on_step: Callable[[str], None] | None = None) -> SandboxInfo:
        """Start the sandbox, or find it running.

        The first start on a machine installs the programs and fills a template (about two minutes);
        later ones take some seconds.

        Args:
            on_step: Told what is going on, in lines for people.

        Raises:
            SandboxError: A program could not be installed or did not start; the message names it
                and ends with its log. Whatever did start is ended.
        """
        programs.check_platform()
        say = on_step or (lambda _line: None)
        # As root, Postgres runs as nobody, who must get through. All in it is for the owner only.
        self.home.mkdir(mode=0o711 if postgres.account() else 0o700, parents=True, exist_ok=True)
        names = {path.name for path in self.home.iterdir()}
        if names and self._lock.name not in names:
            raise SandboxError(
                f"{self.home} holds something else: give the sandbox an empty folder"
            )
        with locked(self._lock, say=say):
            with suppress(SandboxError):
                return self.info()
            try:
                return self._start(say)
            except BaseException:
                self._roster.stop()
                raise

    def info(self) -> SandboxInfo:
        """Return the addresses, credentials and ids of the running sandbox.

        Raises:
            SandboxError: It is not running, or only in part.
        """
        rows = self.status()
        if not rows:
            raise SandboxError(f"The sandbox in {self.home} is not running")
        dead = [row.name for row in rows if not row.alive]
        if dead:
            raise SandboxError(
                f"The sandbox in {self.home} is not running whole: {', '.join(dead)} ended; "
                f"see {self.home / 'logs'}"
            )
        try:
            return SandboxInfo.from_json(json.loads(self._state.read_bytes()))
        except FileNotFoundError as error:
            raise SandboxError(f"The sandbox in {self.home} is still starting") from error
        except (TypeError, KeyError) as error:
            raise SandboxError(
                f"The sandbox in {self.home} was started by another version: stop it first"
            ) from error

    def status(self) -> list[Row]:
        """Return the processes that were started and not ended by :meth:`down`."""
        return [
            Row(process.name, process.pid, process.port, process.is_alive())
            for process in self._roster.processes()
        ]

    def down(self, remove: bool = False) -> None:
        """End the sandbox's processes, and those that they started, and no others.

        Args:
            remove: Delete its data too.

        Raises:
            SandboxError: Something does not end.
        """
        if not self._lock.exists():
            return
        with locked(self._lock):
            self._roster.stop()
            self._state.unlink(missing_ok=True)
            if remove:
                self._remove_data()
                self._lock.unlink()
                with suppress(OSError):  # something else is in it
                    self.home.rmdir()

    def __enter__(self) -> SandboxInfo:
        if any(row.alive for row in self.status()):
            return self.up()
        self._guard = Guard(self.home, remove=not self._instance.exists())
        try:
            return self.up()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._guard:
            self.down(remove=self._guard.remove)
            self._guard.dismiss()
            self._guard = None

    def _start(self, say: Callable[[str], None]) -> SandboxInfo:
        self._roster.stop()
        self._state.unlink(missing_ok=True)
        installed = programs.install(cache_folder(), say=say)
        origin = template(cache_folder(), installed, say=say)
        if not (self._instance.exists() and (self.home / "postgres" / "data").exists()):
            self._lay_out(origin)
        keys, sown = self._read_instance(origin)
        keys = replace(keys, redis_password=secrets.token_hex(16))
        say("Starting Postgres, Redis and Kitsu ...")
        addresses = services.start_all(self.home, installed, keys, self._roster)
        projects = self.home / "projects"
        seed.plant_file_tree(addresses.kitsu_host, sown.bot_token, sown.project_id, projects)
        info = SandboxInfo(
            **asdict(addresses),
            **asdict(sown),
            home=self.home,
            broker_url=f"{addresses.redis_url}/{BROKER_DATABASE}",
            result_backend=f"{addresses.redis_url}/{RESULT_DATABASE}",
            login=keys.login,
            password=keys.password,
            projects_folder=projects,
            preview_folder=self.home / "previews",
            ffmpeg=installed.ffmpeg,
            ffprobe=installed.ffprobe,
            logs={process.name: process.log for process in self._roster.processes()},
        )
        write_private(self._state, json.dumps(info.to_json(), indent=1))
        return info

    def _lay_out(self, origin: Template) -> None:
        self._remove_data()
        for folder in services.FOLDERS:
            (self.home / folder).mkdir(mode=0o700)
        postgres.copy_data(origin.data, postgres.make_folder(self.home))
        values = {
            "template": origin.key,
            "secrets": asdict(origin.secrets),
            "seed": origin.seed.to_json(),
        }
        write_private(self._instance, json.dumps(values, indent=1))

    def _read_instance(self, origin: Template) -> tuple[Secrets, Seed]:
        values = json.loads(self._instance.read_bytes())
        if values["template"] != origin.key:
            raise SandboxError(
                f"The data in {self.home} was made by another version of the sandbox. "
                "Remove it (down with remove) and start again."
            )
        return Secrets(**values["secrets"]), Seed(**values["seed"])

    def _remove_data(self) -> None:
        """Remove what this class made in the folder, and nothing else."""
        postgres.remove_folder(self.home)
        for name in services.FOLDERS:
            shutil.rmtree(self.home / name, ignore_errors=True)
        for name in _FILES:
            (self.home / name).unlink(missing_ok=True)


def _default_home() -> Path:
    if given := os.environ.get("FARM_TASKS_SANDBOX_HOME"):
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "farm-tasks" / "sandbox"
