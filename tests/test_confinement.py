"""What a task run may open, whatever is done to the names meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import confinement
from farm_tasks.confinement import Confinement, SourcePath, current, lent, path_behind
from farm_tasks.errors import (
    Denied,
    EmptyFile,
    FarmTasksError,
    FileMissing,
    FileUnreadable,
    InvalidArgument,
    NotConfigured,
    OutsideRoots,
)
from farm_tasks.kitsu.checks import readable_file
from farm_tasks.paths import inside
from farm_tasks.transfer.body import MultipartBody
from tests.servers import parse_multipart
from tests.support.swapping import exchange, swapping

NOBODY = 65534
OPENS = 1500
INNER, SECRET = b"one of ours", b"somebody else's secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A read root with a file in it, two folders deep."""
    folder = tmp_path / "root" / "show"
    folder.mkdir(parents=True)
    (folder / "plate.mov").write_bytes(INNER)
    return tmp_path / "root"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside, by the same name."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "plate.mov").write_bytes(SECRET)
    return folder / "plate.mov"


@pytest.fixture
def confined(root: Path) -> Iterator[Confinement]:
    """A confinement that this test runs in."""
    with Confinement([root], [root]) as one:
        yield one


def content_of(confined: Confinement, path: str) -> bytes:
    """What is read under the name that gazu is given."""
    with confined.lent(path) as name, open(name, "rb") as file:
        return file.read()


def test_a_source_is_lent_under_a_name_of_the_open_file(confined: Confinement, root: Path) -> None:
    path = confined.source(str(root / "show" / ".." / "show" / "plate.mov"))
    assert path == str(root / "show" / "plate.mov")
    with confined.lent(path) as name:
        assert path_behind(name) == path
        (root / "show").rename(root / "renamed")
        assert Path(name).read_bytes() == INNER
        if os.path.exists("/proc/self/fd"):
            assert name.startswith("/proc/self/fd/")
    assert path_behind(name) == name, "the number is somebody else's next"


def test_only_paths_are_lent_not_text_that_says_the_same(confined: Confinement, root: Path) -> None:
    path = confined.source(str(root / "show" / "plate.mov"))
    text = str(root / "show" / "plate.mov")
    given = {"text": text, "files": [path, path], "more": ({"deep": path}, 7, None)}
    with confined.lent(given) as found:
        name = found["files"][0]
        assert name != text
        assert found == {"text": text, "files": [name, name], "more": ({"deep": name}, 7, None)}


def test_nothing_is_left_open(confined: Confinement, root: Path) -> None:
    before = os.listdir("/proc/self/fd")
    path = confined.source(str(root / "show" / "plate.mov"))
    for _ in range(50):
        assert content_of(confined, path) == INNER
        assert confined.size(path) == len(INNER)
        with pytest.raises(FileMissing):
            content_of(confined, confined.source(str(root / "show" / "none" / "missing")))
        with pytest.raises(InvalidArgument):
            content_of(confined, confined.source(str(root / "show")))
    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_a_confinement_ends_with_its_block_and_is_not_that_of_another_thread(root: Path) -> None:
    seen: list[Confinement | None] = []
    assert current() is None
    with Confinement([root], []) as outer:
        assert current() is outer
        with Confinement([root], []) as inner:
            assert current() is inner
        assert current() is outer
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert current() is None
    assert seen == [None]


def test_without_a_confinement_everything_is_as_it_was(root: Path) -> None:
    path = str(root / "show" / "plate.mov")
    with lent({"path": SourcePath(path)}) as found:
        assert found == {"path": path}
    assert path_behind(path) == path
    assert readable_file(path) == path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("../outside/plate.mov", OutsideRoots),
        ("link", OutsideRoots),
        ("show/none.mov", FileMissing),
        ("none/none.mov", FileMissing),
        ("show/plate.mov/x", FileUnreadable),
        (".", InvalidArgument),
        ("show", InvalidArgument),
        ("pipe", InvalidArgument),
        ("socket", InvalidArgument),
        ("x" * 300, FileUnreadable),
    ],
)
def test_what_is_refused(
    confined: Confinement, root: Path, secret: Path, path: str, kind: type[FarmTasksError]
) -> None:
    (root / "link").symlink_to(secret)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")  # a path of a socket is short
        os.close(here)
        with pytest.raises(kind) as raised:
            readable_file(str(root / path))
    assert type(raised.value) is kind
    assert confined.size(str(root / "none")) == 0


@pytest.mark.parametrize("name", ["missing", "show", "pipe", "empty"])
def test_the_same_is_said_with_and_without_a_confinement(root: Path, name: str) -> None:
    os.mkfifo(root / "pipe")
    (root / "empty").touch()
    said = []
    for within in (contextlib.nullcontext(), Confinement([root], [])):
        with within, pytest.raises((FileMissing, InvalidArgument, EmptyFile)) as raised:
            readable_file(str(root / name))
        said.append((type(raised.value), str(raised.value)))
    assert said[0] == said[1]


def test_a_device_is_refused_even_where_a_root_has_one(tmp_path: Path) -> None:
    devices = [Path("/dev/zero")]
    if os.getuid() == 0:
        made = tmp_path / "zero"
        os.mknod(made, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        devices.append(made)
    with Confinement([Path("/dev"), tmp_path], []):
        for device in devices:
            with pytest.raises(InvalidArgument, match="zero is not a regular file"):
                readable_file(device)


def test_without_roots_nothing_is_read_or_written(tmp_path: Path) -> None:
    with Confinement([], []) as confined:
        with pytest.raises(NotConfigured, match="FARM_TASKS_READ_ROOTS"):
            confined.source(str(tmp_path / "x"))
        with pytest.raises(NotConfigured, match="FARM_TASKS_WRITE_ROOTS"):
            confined.target(str(tmp_path / "x"))


def test_a_file_closed_to_this_user_is_unreadable() -> None:
    """In a child that is nobody: nothing is closed to root. Where pytest's folders are, it is."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        for name in ("file", "folder"):
            (folder / name).mkdir(mode=0o755)
            (folder / name / "shot.mov").write_bytes(INNER)
        (folder / "file" / "shot.mov").chmod(0)
        (folder / "folder").chmod(0)
        child = os.fork()
        if not child:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(NOBODY)
                refused = 0
                with Confinement([folder], []):
                    for name in ("file", "folder"):
                        try:
                            readable_file(folder / name / "shot.mov")
                        except FileUnreadable as error:
                            refused += "cannot be read by the user" in str(error)
                code = 0 if refused == 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        (folder / "folder").chmod(0o755)
        shutil.rmtree(folder)


def test_a_folder_that_may_be_searched_need_not_be_readable() -> None:
    """As a drop box on a file server: its names are known to those who were told."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "box").mkdir()
        (folder / "box" / "shot.mov").write_bytes(INNER)
        folder.chmod(0o711)
        (folder / "box").chmod(0o711)
        child = os.fork()
        if not child:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(NOBODY)
                with Confinement([folder], []) as confined:
                    path = confined.source(str(folder / "box" / "shot.mov"))
                    code = 0 if content_of(confined, path) == INNER else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        shutil.rmtree(folder)


def reads_by_name(root: Path, path: str) -> bytes:
    """As it was done before there was a confinement: checked, then opened by name."""
    with open(inside(path, [root], "FARM_TASKS_READ_ROOTS"), "rb") as file:
        return file.read()


def reads_confined(root: Path, path: str) -> bytes:
    with Confinement([root], []) as confined:
        return content_of(confined, confined.source(path))


def race(read: Callable[[Path, str], bytes], root: Path, path: Path) -> Iterator[bytes]:
    """What is read while it is swapped; b"" where it was refused."""
    while True:
        try:
            yield read(root, str(path))
        except (Denied, FileMissing, InvalidArgument, OSError):
            yield b""


def swapped_file(root: Path, secret: Path) -> tuple[Path, Path]:
    (root / "show" / "other").symlink_to(secret)
    return root / "show" / "plate.mov", root / "show" / "other"


def swapped_folder(root: Path, secret: Path) -> tuple[Path, Path]:
    (root / "other").symlink_to(secret.parent)
    return root / "show", root / "other"


def relative_link(root: Path, secret: Path) -> tuple[Path, Path]:
    (root / "other").symlink_to(f"../{secret.parent.name}")
    return root / "show", root / "other"


@pytest.mark.parametrize("swap", [swapped_file, swapped_folder, relative_link])
def test_a_link_that_is_swapped_in_is_never_followed(root: Path, secret: Path, swap: Any) -> None:
    with swapping(*swap(root, secret)):
        path = root / "show" / "plate.mov"
        by_name = race(reads_by_name, root, path)
        deadline = time.monotonic() + 30
        while next(by_name) != SECRET:
            assert time.monotonic() < deadline, "this race proves nothing"
        confined = race(reads_confined, root, path)
        found = [next(confined) for _ in range(OPENS)]
    assert set(found) == {INNER, b""}, "read where it was ours, refused where it was not"


def test_a_link_that_stays_in_the_root_is_followed_when_it_is_checked_not_later(
    confined: Confinement, root: Path
) -> None:
    (root / "latest").symlink_to("show")
    path = confined.source(str(root / "latest" / "plate.mov"))
    assert content_of(confined, path) == INNER
    (root / "older").symlink_to("show")
    exchange(root / "show", root / "older")
    with pytest.raises(OutsideRoots, match="show is a symbolic link by now"):
        content_of(confined, path)


def test_a_pipe_that_is_swapped_in_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    path = root / "show" / "plate.mov"
    with swapping(path, root / "pipe"):
        began = time.monotonic()
        reads = race(reads_confined, root, path)
        found = [next(reads) for _ in range(OPENS)]
    assert time.monotonic() - began < 60
    assert set(found) == {INNER, b""}


def test_a_body_carries_the_name_and_type_of_the_file_not_of_its_descriptor(
    confined: Confinement, root: Path
) -> None:
    path = confined.source(str(root / "show" / "plate.mov"))
    with confined.lent(path) as name, open(name, "rb") as file:
        body = MultipartBody([], {"file": file})
        content = b"".join(map(bytes, body))
        (part,) = parse_multipart(body.content_type, content)
        os.truncate(root / "show" / "plate.mov", 3)
        with pytest.raises(FarmTasksError, match=r"show/plate\.mov changed"):
            b"".join(map(bytes, body))
    assert (part.filename, part.content_type) == ("plate.mov", "video/quicktime")
    assert part.content == INNER


def test_a_file_that_was_not_checked_is_not_sent(confined: Confinement, secret: Path) -> None:
    with secret.open("rb") as file, pytest.raises(OutsideRoots, match="not the file that was"):
        MultipartBody([], {"file": file})


def test_where_a_descriptor_has_no_name_the_opened_file_is_compared(
    confined: Confinement, root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: gazu opens by the path, and a link may have been followed."""
    monkeypatch.setattr(confinement, "name_of", lambda _, path: path)
    path = confined.source(str(root / "show" / "plate.mov"))
    with confined.lent(path) as name:
        assert name == path
        with open(name, "rb") as file:
            assert MultipartBody([], {"file": file}).total == len(INNER)
        (root / "show" / "other").symlink_to(secret)
        exchange(root / "show" / "plate.mov", root / "show" / "other")
        with open(name, "rb") as file:
            assert file.read() == SECRET
            with pytest.raises(OutsideRoots, match=r"plate\.mov is not the file that was checked"):
                MultipartBody([], {"file": file})


def test_a_folder_of_the_runs_own_is_read_and_not_told_of(tmp_path: Path) -> None:
    root, own, other = (tmp_path / name for name in ("root", "own", "other"))
    for folder in (root, own, other):
        folder.mkdir()
        (folder / "a.mov").write_bytes(b"1")
    with Confinement([root], []) as confined:
        confined.also_read(own)
        assert confined.size(str(own / "a.mov")) == confined.size(str(root / "a.mov")) == 1
        with pytest.raises(OutsideRoots) as told:
            confined.source(str(other / "a.mov"))
    assert str(own) not in str(told.value)
    assert str(root) in str(told.value)
