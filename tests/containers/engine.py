"""A Docker engine: the one that answers, or one of our own for as long as the tests run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60


def answers() -> bool:
    """Whether a Docker engine can be used from here."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def running_engine() -> Iterator[None]:
    """Have an engine: the one that answers, else a ``dockerd`` of our own, if we are root.

    Its images are kept in the cache, so that the next run has them.

    Raises:
        RuntimeError: there is none and none can be started; the message says why.
    """
    if answers():
        yield
        return
    if shutil.which("docker") is None or shutil.which("dockerd") is None:
        raise RuntimeError("docker and dockerd are not installed (apt-get install docker.io)")
    if os.geteuid() != 0:
        raise RuntimeError("no Docker engine answers, and only root can start one")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farm-tasks"
    images = cache / "dockerd"
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="farm-tasks-dockerd-") as place:
        home = Path(place)
        socket = f"unix://{home / 'docker.sock'}"
        command = [
            *("dockerd", "--host", socket, "--data-root", str(images)),
            *("--exec-root", str(home / "run"), "--pidfile", str(home / "pid")),
        ]
        log = home / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            os.environ["DOCKER_HOST"] = socket
            wait_until(lambda: process.poll() is not None or answers(), READY_SECONDS)
            if process.poll() is not None:
                said = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd does not start here:\n{said}")
            yield
        finally:
            del os.environ["DOCKER_HOST"]
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _unmount_below(home)


def _unmount_below(folder: Path) -> None:
    """An engine leaves the name of its network behind, as a mount."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed(places):
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", place], check=True)
