"""A folder held open, and names in it. With openat, and as it is done where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import folder as module
from farm_tasks.errors import OutsideRoots
from farm_tasks.folder import Folder, name_of


@pytest.fixture(params=[True, False], ids=["openat", "by path"])
def by_descriptor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the system can look names up from a descriptor."""
    monkeypatch.setattr(module, "_BY_DESCRIPTOR", request.param)
    return bool(request.param)


@pytest.fixture
def folder(tmp_path: Path, by_descriptor: bool) -> Iterator[Folder]:
    with Folder.open(tmp_path) as one:
        yield one


def test_a_file_is_made_renamed_and_removed(folder: Folder, tmp_path: Path) -> None:
    folder.make("inner")
    with folder.descend("inner") as inner:
        os.close(inner.open_file("one", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        with pytest.raises(FileExistsError):
            inner.open_file("one", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        inner.replace("one", "other")
        inner.sync()
        assert inner.names() == ["other"]
        assert inner.status("other").st_ino == (tmp_path / "inner" / "other").stat().st_ino
        assert inner.path == str(tmp_path / "inner")
        inner.unlink("other")
    folder.remove("inner")
    assert folder.names() == []


def test_no_link_is_followed(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("inner")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(OutsideRoots, match=f"{name} is a symbolic link"):
            folder.descend(name)
        with pytest.raises(OutsideRoots, match=f"{name} is a symbolic link"):
            folder.open_file(name, os.O_RDONLY)


def test_what_is_no_folder_is_told_as_the_system_tells_it(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        folder.descend("file")
    with pytest.raises(FileNotFoundError):
        folder.descend("missing")
    with pytest.raises(FileNotFoundError):
        folder.open_file("missing", os.O_RDONLY)


def test_it_stays_the_same_folder_when_it_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with Folder.open(tmp_path / "inner") as inner:
        (tmp_path / "inner").rename(tmp_path / "renamed")
        os.close(inner.open_file("file", os.O_WRONLY | os.O_CREAT))
    assert os.listdir(tmp_path / "renamed") == ["file"]


def test_a_folder_that_was_closed_is_not_looked_up_by_its_path(tmp_path: Path) -> None:
    with Folder.open(tmp_path) as folder:
        pass
    folder.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        folder.open_file("file", os.O_WRONLY | os.O_CREAT)
    assert os.listdir(tmp_path) == []


def test_a_name_of_a_descriptor_leads_to_the_file_that_is_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        path.unlink()
        path.write_bytes(b"another")
        assert Path(name_of(file.fileno(), str(path))).read_bytes() == b"content"
    assert name_of(file_descriptor_of_nothing(), str(path)) == str(path)


def file_descriptor_of_nothing() -> int:
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)
    return write_end
