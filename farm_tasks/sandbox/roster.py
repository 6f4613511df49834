"""The processes of one sandbox, remembered in a file from the moment they start."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from farm_tasks.sandbox import process
from farm_tasks.sandbox.errors import SandboxError
from farm_tasks.sandbox.files import write_private
from farm_tasks.sandbox.process import Account, Process


class Roster:
    """Starts processes and ends exactly those, even from another Python process later on.

    Args:
        file: Where they are remembered.
        logs: The folder for their logs.
    """

    def __init__(self, file: Path, logs: Path) -> None:
        self._file = file
        self._logs = logs

    def processes(self) -> list[Process]:
        """Return those that were started and not yet ended here, alive or not."""
        try:
            return [Process.from_json(values) for values in json.loads(self._file.read_bytes())]
        except FileNotFoundError:
            return []

    def log(self, name: str) -> Path:
        """Return the log file of the process of that name."""
        return self._logs / f"{name}.log"

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        port: int | None = None,
        account: Account | None = None,
        stop_signal: int = signal.SIGTERM,
        pass_fds: Iterable[int] = (),
    ) -> Process:
        """Start a process in a session of its own, so that it lives on after this one.

        Args:
            name: For people, and its log's name.
            command: Program and arguments.
            cwd: Its working folder.
            env: Its whole environment, but for our mark in it.
            port: The port it was told to serve, for the record.
            account: The user to run it as; None for the current one.
            stop_signal: The signal that it ends on; SIGKILL is sent to its whole family.
            pass_fds: File descriptors that it inherits.

        Raises:
            SandboxError: The program cannot be started.
        """
        log = self.log(name)
        with suppress(FileNotFoundError):
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            try:
                popen = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env={**env, process.MARK: str(log)},
                    start_new_session=True,
                    pass_fds=tuple(pass_fds),
                    umask=0o077,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
            except OSError as error:
                raise SandboxError(f"{name} cannot be started: {error}") from error
        # Popen warns when a living child is forgotten; these are meant to outlive us.
        popen.returncode = 0
        started = Process(name, popen.pid, process.start_time(popen.pid), port, log, stop_signal)
        others = [other for other in self.processes() if other.name != name]
        try:
            self._save([*others, started])
        except BaseException:
            process.stop(started)
            raise
        return started

    def stop(self) -> None:
        """End all that were started here, the last one first, and forget them.

        Raises:
            SandboxError: Something does not end; it is not forgotten.
        """
        left = self.processes()
        while left:
            process.stop(left[-1])
            self._save(left := left[:-1])
        self._file.unlink(missing_ok=True)

    def _save(self, processes: Sequence[Process]) -> None:
        write_private(self._file, json.dumps([one.to_json() for one in processes], indent=1))
