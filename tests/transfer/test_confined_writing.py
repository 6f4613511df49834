"""A file that is written under a confinement lands under its root or nowhere."""

# ruff: noqa: PT012, SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gazu.client import KitsuClient

from farm_tasks.confinement import Confinement
from farm_tasks.errors import FileUnreadable, OutsideRoots, TemporaryFailure
from farm_tasks.kitsu import operations
from farm_tasks.transfer import partial_file
from farm_tasks.transfer.partial_file import PartialFile, tag_of
from tests.servers import LoopbackServer, ServedFile
from tests.support.swapping import exchange, swapping

COMMITS = 400
TAG, OTHER_TAG = tag_of("one submission"), tag_of("another")
PERSON = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A write root with a folder in it."""
    (tmp_path / "root" / "show").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where nothing may ever be written."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "shot.mov").write_bytes(b"not yours")
    os.utime(tmp_path / "outside", ns=(0, 0))
    return tmp_path / "outside"


@pytest.fixture
def confined(root: Path) -> Iterator[Confinement]:
    """A confinement that this test runs in."""
    with Confinement([], [root]) as one:
        yield one


def is_untouched(outside: Path) -> bool:
    """Whether it is as it was: a folder's time changes with every name in it, even a short one."""
    content = (outside / "shot.mov").read_bytes()
    return content == b"not yours" and outside.stat().st_mtime_ns == 0


def write(target: Path, content: bytes = b"movie") -> None:
    with PartialFile(target) as partial, open(partial.path, "wb") as file:
        file.write(content)
        file.flush()
        partial.commit(len(content))


def test_a_file_is_written_and_its_folders_are_made(confined: Confinement, root: Path) -> None:
    before = os.listdir("/proc/self/fd")
    write(root / "new" / "deep" / "shot.mov")
    assert (root / "new" / "deep" / "shot.mov").read_bytes() == b"movie"
    assert os.listdir("/proc/self/fd") == before


def test_where_a_descriptor_has_no_name_a_file_is_written_by_its_path(
    confined: Confinement, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.setattr(partial_file, "name_of", lambda _, path: path)
    target = root / "show" / "shot.mov"
    with PartialFile(target) as partial:
        assert partial.path == target.with_name(partial.name)
    write(target)
    assert target.read_bytes() == b"movie"
    assert os.listdir(root / "show") == ["shot.mov"]


def test_a_target_outside_is_refused_though_nobody_has_asked_before(
    confined: Confinement, root: Path, outside: Path
) -> None:
    (root / "link").symlink_to(outside)
    for target in (outside / "new.mov", root / "link" / "new.mov", root / ".." / "new.mov"):
        with pytest.raises(OutsideRoots):
            PartialFile(target)
    assert is_untouched(outside)


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A file server that is not mounted: the file would land on the worker's own disk."""
    with Confinement([], [tmp_path / "mnt"]):
        with pytest.raises(FileUnreadable, match="No such file"):
            write(tmp_path / "mnt" / "show" / "shot.mov")
    assert os.listdir(tmp_path) == []


def test_a_link_on_the_way_that_came_after_the_check_is_not_followed(
    confined: Confinement, root: Path, outside: Path
) -> None:
    target = confined.target(str(root / "show" / "shot.mov"))
    (root / "show").rmdir()
    (root / "show").symlink_to(outside)
    with pytest.raises(OutsideRoots, match="show is a symbolic link by now"):
        write(Path(target))
    assert is_untouched(outside)


def test_a_link_at_the_target_that_came_after_the_check_is_replaced(
    confined: Confinement, root: Path, outside: Path
) -> None:
    target = root / "show" / "shot.mov"
    confined.target(str(target))
    with PartialFile(target) as partial:
        partial.path.write_bytes(b"movie")
        target.symlink_to(outside / "shot.mov")
        partial.commit(5)
    assert target.read_bytes() == b"movie"
    assert not target.is_symlink()
    assert is_untouched(outside)


def test_a_folder_renamed_meanwhile_is_still_the_folder_that_was_checked(
    confined: Confinement, root: Path, outside: Path
) -> None:
    (root / "link").symlink_to(outside)
    with PartialFile(root / "show" / "shot.mov") as partial:
        exchange(root / "show", root / "link")
        partial.path.write_bytes(b"movie")
        partial.commit(5)
    assert (root / "link" / "shot.mov").read_bytes() == b"movie"
    assert is_untouched(outside)


@pytest.mark.parametrize("kind", ["link", "file", "gone"])
def test_a_partial_file_that_is_another_one_by_now_is_not_put_in_place(
    confined: Confinement, root: Path, outside: Path, kind: str
) -> None:
    target = root / "show" / "shot.mov"
    target.write_bytes(b"old")
    with pytest.raises(TemporaryFailure, match="removed or replaced"):
        with PartialFile(target) as partial:
            mine = root / "show" / partial.name
            mine.unlink()
            if kind == "link":
                mine.symlink_to(outside / "shot.mov")
            elif kind == "file":
                mine.write_bytes(b"movie")
            partial.path.write_bytes(b"movie")
            partial.commit(5)
    assert target.read_bytes() == b"old"
    assert os.listdir(root / "show") == ["shot.mov"]
    assert is_untouched(outside)


def makes_by_name(target: Path) -> None:
    """As it was done before there was a confinement: checked, then made by name."""
    if target.resolve().is_relative_to(target.parents[1].resolve()):
        made = target.with_name("made-by-name")
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def test_a_link_in_place_of_the_folder_is_never_followed(root: Path, outside: Path) -> None:
    (root / "other").symlink_to(outside)
    written = refused = 0
    target = root / "show" / "shot.mov"
    with swapping(root / "show", root / "other"):
        deadline = time.monotonic() + 30
        while is_untouched(outside):
            assert time.monotonic() < deadline, "this race proves nothing"
            (root / "show" / "made-by-name").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                makes_by_name(target)
        os.utime(outside, ns=(0, 0))
        for number in range(COMMITS):
            try:
                with Confinement([], [root]):
                    write(target, b"%d" % number)
                written += 1
            except (OutsideRoots, FileUnreadable):
                refused += 1
    assert is_untouched(outside)
    assert written
    assert refused
    (folder,) = (one for one in (root / "show", root / "other") if not one.is_symlink())
    assert set(os.listdir(folder)) - {"made-by-name"} == {"shot.mov"}, "nothing is left over"


def test_a_link_at_the_target_is_never_followed(root: Path, outside: Path) -> None:
    target, other = root / "show" / "shot.mov", root / "show" / "other"
    plain, link = root / "plain", root / "link"
    target.touch()
    other.touch()
    outcomes = set()
    with swapping(target, other):
        for number in range(COMMITS):
            plain.touch()
            link.symlink_to(outside / "shot.mov")
            plain.replace(target)
            link.replace(other)
            try:
                with Confinement([], [root]):
                    write(target, b"%d" % number)
                outcomes.add("written")
            except (OutsideRoots, FileUnreadable):
                outcomes.add("refused")
    assert is_untouched(outside)
    assert outcomes == {"written", "refused"}


def killed_while_it_writes(target: Path, tag: str | None) -> str:
    """Have a process write a partial file, kill it with SIGKILL, and return what it has left."""
    code = """
        import sys, time
        from farm_tasks.transfer.partial_file import PartialFile
        target, tag = sys.argv[1:]
        with PartialFile(target, tag or None) as partial:
            partial.path.write_bytes(bytes(100_000))
            print(partial.name, flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(target), tag or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert target.with_name(name).stat().st_size == 100_000
    return name


def test_what_a_killed_process_left_is_removed_by_the_next_attempt_and_only_that(
    root: Path,
) -> None:
    folder, target = root / "show", root / "show" / "shot [v1].mov"
    left = {killed_while_it_writes(target, TAG) for _ in range(2)}
    stays = {
        killed_while_it_writes(target, OTHER_TAG),
        killed_while_it_writes(target, None),
        killed_while_it_writes(folder / "shot v.mov", TAG),
        f".{target.name}.{TAG}.part",
        f".{target.name}.{TAG}.0123456g.part",
        f".{target.name}.{TAG}.01234567.part.txt",
        f"{target.name}.{TAG}.01234567.part",
    }
    link, inner = f".{target.name}.{TAG}.00000000.part", f".{target.name}.{TAG}.11111111.part"
    for name in stays:
        (folder / name).touch()
    (folder / link).symlink_to(target)
    (folder / inner).mkdir()
    stays |= {link, inner}
    with PartialFile(target, TAG):
        assert left < set(os.listdir(folder)), "only when told to"
    with PartialFile(target, TAG, sweep=True) as partial:
        assert set(os.listdir(folder)) == stays | {partial.name}
        partial.path.write_bytes(b"movie")
        partial.commit(5)
    assert set(os.listdir(folder)) == stays | {target.name}


def test_two_attempts_of_one_submission_never_write_to_one_file(root: Path) -> None:
    target = root / "show" / "shot.mov"
    with PartialFile(target, TAG) as one, PartialFile(target, TAG) as other:
        assert one.name != other.name
        one.path.write_bytes(b"one")
        other.path.write_bytes(b"other")
        other.commit(5)
        one.commit(3)
    assert target.read_bytes() == b"one"


def test_an_attempt_that_was_swept_away_ends_as_one_to_be_tried_again(root: Path) -> None:
    """It had lost its turn, and did not know."""
    target = root / "show" / "shot.mov"
    with pytest.raises(TemporaryFailure, match="removed or replaced"):
        with PartialFile(target, TAG) as early:
            early.path.write_bytes(b"early")
            with PartialFile(target, TAG, sweep=True) as late:
                late.path.write_bytes(b"late")
                late.commit(4)
            early.commit(5)
    assert target.read_bytes() == b"late"
    assert os.listdir(root / "show") == ["shot.mov"]


@pytest.mark.parametrize("tag", ["", "0123456", "012345678", "0123456G", "../../xx", "0123456\n"])
def test_a_tag_is_eight_hex_digits(root: Path, tag: str) -> None:
    with pytest.raises(ValueError, match="not a tag"):
        PartialFile(root / "shot.mov", tag)


def test_a_tag_is_made_of_any_id() -> None:
    assert tag_of("a") != tag_of("b")
    for submission in ("", "é\ud83d", "x" * 10_000, "../.."):
        PartialFile("shot.mov", tag_of(submission))


def test_a_download_carries_the_tag_of_its_confinement_and_sweeps(root: Path) -> None:
    target = root / "show" / "shot.mov"
    killed_while_it_writes(target, TAG)
    seen: list[str] = []

    def look(*_: Any) -> None:
        seen.extend(os.listdir(root / "show"))

    with LoopbackServer(ServedFile(b"movie")) as server:
        client = KitsuClient(f"{server.url}/api")
        with Confinement([], [root], tag=TAG, sweep=True) as confined:
            done = operations.download_person_avatar(
                PERSON, confined.target(str(target)), client=client, progress_callback=look
            )
    assert done["file_path"] == str(target)
    assert len(seen) == 1, "the leftover was gone before the first byte came"
    assert seen[0].startswith(f".shot.mov.{TAG}.")
    assert target.read_bytes() == b"movie"
    assert os.listdir(root / "show") == ["shot.mov"]


def test_a_download_into_a_folder_that_became_a_link_ends_outside_the_roots(
    root: Path, outside: Path
) -> None:
    with LoopbackServer(ServedFile(b"movie")) as server:
        client = KitsuClient(f"{server.url}/api")
        with Confinement([], [root]) as confined:
            target = confined.target(str(root / "show" / "shot.mov"))
            (root / "show").rmdir()
            (root / "show").symlink_to(outside)
            with pytest.raises(OutsideRoots):
                operations.download_person_avatar(PERSON, target, client=client)
        assert server.exchanges == []
    assert is_untouched(outside)
