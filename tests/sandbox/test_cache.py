from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from farm_tasks.sandbox.cache import cache_folder, entry, locked


def builder(text: str, calls: list[str] | None = None) -> Callable[[Path, int], None]:
    def build(folder: Path, _lock: int) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "program").write_text(text)

    return build


def quiet(_line: str) -> None:
    pass


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    first = entry(tmp_path / "e", builder("first"), probe="program", say=quiet)
    second = entry(tmp_path / "e", builder("second"), probe="program", say=quiet)

    assert first == second
    assert (second / "program").read_text() == "first"


def test_one_that_an_interrupt_left_half_made_is_made_again(tmp_path: Path) -> None:
    def interrupted(folder: Path, _lock: int) -> None:
        (folder / "program").write_text("half")
        (folder / "litter").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entry(tmp_path / "e", interrupted, probe="program", say=quiet)

    folder = entry(tmp_path / "e", builder("whole"), probe="program", say=quiet)

    assert (folder / "program").read_text() == "whole"
    assert not (folder / "litter").exists()


def test_one_whose_program_is_gone_is_made_again(tmp_path: Path) -> None:
    folder = entry(tmp_path / "e", builder("first"), probe="program", say=quiet)
    (folder / "program").unlink()

    entry(tmp_path / "e", builder("second"), probe="program", say=quiet)

    assert (folder / "program").read_text() == "second"


def test_two_at_once_build_once_and_the_second_is_told_to_wait(tmp_path: Path) -> None:
    calls: list[str] = []
    told = threading.Event()

    def slow(folder: Path, lock: int) -> None:
        second.start()
        assert told.wait(10)
        builder("slow", calls)(folder, lock)

    def build_second() -> None:
        entry(
            tmp_path / "e", builder("second", calls), probe="program", say=lambda _line: told.set()
        )

    second = threading.Thread(target=build_second)
    entry(tmp_path / "e", slow, probe="program", say=quiet)
    second.join(10)

    assert calls == ["slow"]


def test_a_lock_file_that_its_holder_removed_locks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    told = threading.Event()
    inside = threading.Event()

    def wait_and_hold() -> None:
        with locked(path, say=lambda _line: told.set()):
            assert path.exists()
            inside.set()

    with locked(path):
        waiting = threading.Thread(target=wait_and_hold)
        waiting.start()
        assert told.wait(10)
        path.unlink()
    waiting.join(10)

    assert inside.is_set()


def test_the_cache_is_where_the_desktop_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "farm-tasks"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "farm-tasks"
