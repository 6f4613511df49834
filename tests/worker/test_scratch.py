"""A worker's own folder: nobody else's, and not kept for ever."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import DiskFull, NotConfigured
from farm_tasks.worker import scratch
from tests.support.environment import environment_of

RETRY_SECONDS = 100
LONG_AGO = RETRY_SECONDS + 86400 + 60.0


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    base = tmp_path / "scratch"
    variables = {"FARM_TASKS_SCRATCH": str(base), "FARM_TASKS_RETRY_SECONDS": str(RETRY_SECONDS)}
    with environment_of(variables):
        yield base


def age(folder: Path, seconds: float = LONG_AGO) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_each_submission_has_one_folder_that_its_user_alone_can_read(base: Path) -> None:
    previous = os.umask(0)
    try:
        first, second = scratch.scratch_folder("first"), scratch.scratch_folder("second")
    finally:
        os.umask(previous)
    assert first != second
    assert scratch.scratch_folder("first") == first
    assert {one.stat().st_mode & 0o777 for one in (base, first, second)} == {0o700}


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "a\x00b", "\ud800", "", "x" * 9000])
def test_no_id_leads_out_of_the_folder(name: str, base: Path) -> None:
    assert scratch.scratch_folder(name).parent == base
    scratch.remove(name)
    assert list(base.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_used(mode: int, base: Path) -> None:
    base.mkdir()
    base.chmod(mode)
    with pytest.raises(NotConfigured, match="open to other users: set FARM_TASKS_SCRATCH"):
        scratch.scratch_folder("one")
    assert list(base.iterdir()) == []


def test_where_modes_say_nothing_as_on_windows_a_folder_is_used_and_a_link_is_not(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.mkdir()
    base.chmod(0o777)
    monkeypatch.delattr(os, "getuid")
    assert scratch.scratch_folder("one").is_dir()
    scratch.remove("one")
    assert list(base.iterdir()) == []
    (base / "moved").mkdir()
    base.rename(tmp_path / "elsewhere")
    base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotConfigured, match="is a link"):
        scratch.scratch_folder("one")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_tried_again(
    number: int, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_folder: Path, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(DiskFull, match="Make room, then retry"):
        scratch.scratch_folder("one")


def test_a_link_in_the_folders_place_is_not_followed(base: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    base.symlink_to(elsewhere)
    with pytest.raises(NotConfigured, match="is a link"):
        scratch.scratch_folder("one")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives away")
def test_a_folder_of_another_user_is_not_used(base: Path) -> None:
    base.mkdir(mode=0o700)
    os.chown(base, 12345, 12345)
    with pytest.raises(NotConfigured):
        scratch.scratch_folder("one")


@pytest.mark.parametrize("which", ["base", "submission"])
def test_a_file_in_the_folders_place_is_an_error_that_names_the_setting(
    which: str, base: Path
) -> None:
    place = base
    if which == "submission":
        place = scratch.scratch_folder("one")
        place.rmdir()
    place.write_text("")
    with pytest.raises(NotConfigured, match="FARM_TASKS_SCRATCH"):
        scratch.scratch_folder("one")


def test_removing_takes_what_is_in_it_and_nothing_behind_a_link(base: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    folder = scratch.scratch_folder("one")
    (folder / "movie.mp4").write_text("x")
    (folder / "link").symlink_to(kept)
    other = scratch.scratch_folder("other")
    scratch.remove("one")
    assert not folder.exists()
    assert other.exists()
    other.rmdir()
    other.symlink_to(kept)
    scratch.remove("other")
    assert (kept / "file").exists()


def test_removing_looks_into_no_folder_that_others_may_write_to(base: Path) -> None:
    folder = scratch.scratch_folder("one")
    base.chmod(0o777)
    scratch.remove("one")
    assert folder.exists()


def test_removing_what_was_never_there_makes_nothing(base: Path) -> None:
    scratch.remove("one")
    assert not base.exists()


@pytest.mark.parametrize("way", ["begins", "ends"])
def test_what_a_killed_worker_has_left_goes_when_another_submission(way: str, base: Path) -> None:
    left, young = scratch.scratch_folder("left"), scratch.scratch_folder("young")
    (left / ".movie.mp4.0123.part").write_text("x")
    age(left)
    age(young, LONG_AGO - 120)
    strange = base / "put here by hand"
    strange.mkdir()
    age(strange)
    if way == "begins":
        scratch.scratch_folder("next")
    else:
        scratch.remove("next")
    assert not left.exists()
    assert young.exists()
    assert strange.exists()


def test_a_folder_that_is_used_again_is_not_an_old_one(base: Path) -> None:
    folder = scratch.scratch_folder("one")
    age(folder, LONG_AGO - 120)
    assert scratch.scratch_folder("one") == folder
    assert time.time() - folder.stat().st_mtime < 60


def test_what_is_made_behind_a_linked_parent_can_be_read_in_a_task(tmp_path: Path) -> None:
    real, roots = tmp_path / "real", tmp_path / "projects"
    real.mkdir()
    roots.mkdir()
    (tmp_path / "link").symlink_to(real)
    with environment_of({"FARM_TASKS_SCRATCH": str(tmp_path / "link" / "scratch")}):
        folder = scratch.scratch_folder("one")
        (folder / "movie.mp4").write_text("x")
        with Confinement([roots], []) as confined:
            confined.also_read(folder)
            assert confined.size(str(folder / "movie.mp4")) == 1
