"""A file that appears whole or not at all."""

# ruff: noqa: PT012, SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from farm_tasks.errors import (
    Cancelled,
    ConnectionLost,
    DiskFull,
    FarmTasksError,
    FileUnreadable,
    InvalidArgument,
)
from farm_tasks.transfer.partial_file import PartialFile


def test_the_file_is_under_its_name_only_after_the_commit(tmp_path: Path) -> None:
    target = tmp_path / "shot.mov"
    with PartialFile(target) as partial:
        partial.path.write_bytes(b"movie")
        assert not target.exists()
        assert os.listdir(tmp_path) == [partial.name], "in the folder where it is to be"
        assert partial.commit(5) == 5
    assert target.read_bytes() == b"movie"
    assert os.listdir(tmp_path) == ["shot.mov"]


def test_an_old_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "shot.mov"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        with PartialFile(target) as partial:
            partial.path.write_bytes(b"new")
            assert target.read_bytes() == b"old"
            partial.commit()
        assert reader.read() == b"old", "who has it open goes on reading the old one"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(
    "error", [ConnectionLost(), Cancelled(), KeyboardInterrupt(), SystemExit(1), ValueError("bug")]
)
def test_whatever_happens_the_old_file_stays_and_nothing_else_is_left(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "shot.mov"
    target.write_bytes(b"old")
    with pytest.raises(type(error)) as raised, PartialFile(target) as partial:
        partial.path.write_bytes(b"half of the n")
        raise error
    assert raised.value is error
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["shot.mov"]


def test_leaving_without_a_commit_leaves_nothing(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "shot.mov") as partial:
        partial.path.write_bytes(b"movie")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [4, 6, 0])
def test_a_file_of_another_length_is_not_put_in_place(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConnectionLost, match=f"5 of {size} bytes"):
        with PartialFile(tmp_path / "shot.mov") as partial:
            partial.path.write_bytes(b"movie")
            partial.commit(size)
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a" / "b" / "shot.mov") as partial:
        partial.commit(0)
    assert (tmp_path / "a" / "b" / "shot.mov").read_bytes() == b""


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for target in (tmp_path, tmp_path / "link", "/"):
        with pytest.raises(InvalidArgument, match="is a folder"):
            PartialFile(target)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileUnreadable, match="Not a directory"):
        with PartialFile(tmp_path / "file" / "sub" / "shot.mov"):
            pytest.fail("found out too late")


def test_a_folder_that_becomes_the_target_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "shot.mov"
    with pytest.raises(FileUnreadable), PartialFile(target) as partial:
        target.mkdir()
        partial.commit()
    assert os.listdir(tmp_path) == ["shot.mov"]
    assert target.is_dir()


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127 + "x", "x" + "漢" * 84, "a.mov"])
def test_the_longest_names_are_still_names(tmp_path: Path, name: str) -> None:
    with PartialFile(tmp_path / name) as partial:
        os.fsencode(partial.name).decode("utf-8")
        assert len(os.fsencode(partial.name)) <= 255
        partial.path.write_bytes(b"movie")
        partial.commit(5)
    assert os.listdir(tmp_path) == [name]


def test_a_name_too_long_for_the_disk_is_told_before_the_download(tmp_path: Path) -> None:
    with (
        pytest.raises(FileUnreadable, match="File name too long"),
        PartialFile(tmp_path / ("x" * 256)),
    ):
        pytest.fail("found out too late")


def test_a_symbolic_link_is_replaced_and_what_it_points_to_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"not yours")
    target = tmp_path / "shot.mov"
    target.symlink_to(tmp_path / "elsewhere")
    with PartialFile(target) as partial:
        partial.path.write_bytes(b"movie")
        partial.commit()
    assert (tmp_path / "elsewhere").read_bytes() == b"not yours"
    assert not target.is_symlink()
    assert target.read_bytes() == b"movie"


def test_what_is_already_under_the_temporary_name_is_neither_written_to_nor_removed(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").write_bytes(b"not yours")
    partial = PartialFile(tmp_path / "shot.mov")
    partial.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileUnreadable, match="File exists"), partial:
        pytest.fail("went on with someone else's file")
    assert (tmp_path / "elsewhere").read_bytes() == b"not yours"
    assert partial.path.is_symlink()


def test_names_are_unique_and_two_at_once_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "shot.mov"
    assert len({PartialFile(target).name for _ in range(1000)}) == 1000
    with PartialFile(target) as one, PartialFile(target) as other:
        one.path.write_bytes(b"one")
        other.path.write_bytes(b"other")
        one.commit()
        other.commit()
    assert target.read_bytes() == b"other"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with PartialFile(tmp_path / "shot.mov") as partial:
        partial.commit()
    mode = stat.S_IMODE((tmp_path / "shot.mov").stat().st_mode)
    assert mode == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_room_is_checked_against_the_disk_of_the_target(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "shot.mov") as partial:
        partial.check_room(1)
        partial.check_room(-1)
        with pytest.raises(DiskFull, match="are free"):
            partial.check_room(2**60)


def run(code: str, folder: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, with ``folder`` as its argument."""
    imports = """
        import os, resource, subprocess, sys
        from farm_tasks.errors import DiskFull, FileUnreadable
        from farm_tasks.transfer.partial_file import PartialFile
        folder = sys.argv[1]
        target = os.path.join(folder, "shot.mov")
    """
    script = textwrap.dedent(imports) + textwrap.dedent(code)
    return subprocess.run(
        [*prefix, sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_that_cannot_be_written_to_is_told_before_the_download(tmp_path: Path) -> None:
    done = run(
        """
        os.chdir(folder)
        os.chmod(".", 0o555)
        if os.getuid() == 0:
            os.setuid(65534)  # root may write everywhere
        try:
            with PartialFile("shot.mov"):
                print("entered")
        except FileUnreadable as error:
            print(error)
        """,
        tmp_path,
    )
    assert done.stdout == "shot.mov: Permission denied\n", done.stderr


def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    """/dev/full answers every write with ENOSPC, without any rights to mount a small disk."""
    with pytest.raises(DiskFull, match=r"shot\.mov: No space left on device"):
        with PartialFile(tmp_path / "shot.mov") as partial:
            partial.path.write_bytes(b"half of the m")
            Path("/dev/full").write_bytes(b"ovie")
    assert os.listdir(tmp_path) == []


def test_a_limit_on_file_sizes_is_a_full_disk_and_leaves_nothing(tmp_path: Path) -> None:
    """A real short write: the kernel takes the first part and refuses the rest."""
    done = run(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with PartialFile(target) as partial:
                partial.path.write_bytes(bytes(5000))
        except DiskFull as error:
            print("full", os.listdir(folder))
        """,
        tmp_path,
    )
    assert done.stdout == "full []\n", done.stderr


@pytest.mark.filterwarnings("default:no mount namespaces")
def test_a_disk_that_is_really_full_keeps_the_old_file(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB in a mount namespace of its own: anyone may have one, unless forbidden."""
    done = run(
        """
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
        open(target, "wb").write(b"old")
        try:
            with PartialFile(target) as partial, open(partial.path, "wb") as file:
                for _ in range(20):
                    file.write(bytes(100_000))
        except DiskFull as error:
            print(error)
        print(os.listdir(folder), open(target, "rb").read())
        try:
            with PartialFile(target) as partial:
                partial.check_room(500_000)
                partial.check_room(-1)
        except DiskFull as error:
            print("checked")
        """,
        tmp_path,
        "unshare",
        "--map-root-user",
        "--mount",
    )
    if "unshare failed" in done.stderr or "cannot open /proc/self" in done.stderr:
        # Where that is forbidden, /dev/full and RLIMIT_FSIZE above have shown the same errors.
        warnings.warn("no mount namespaces here: a full disk was only imitated", stacklevel=1)
    else:
        full, left, checked = done.stdout.splitlines()
        assert full == f"{tmp_path}/shot.mov: No space left on device. Make room, then retry."
        assert left == "['shot.mov'] b'old'"
        assert checked == "checked"


def test_what_the_disk_says_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FarmTasksError, match="Input/output error"):
        with PartialFile(tmp_path / "shot.mov"):
            raise OSError(5, "Input/output error")


def test_folders_made_for_a_file_that_failed_are_removed_again(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyError), PartialFile(tmp_path / "there" / "new" / "deep" / "x"):
        raise KeyError
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_somebody_has_used_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyError), PartialFile(tmp_path / "new" / "deep" / "x"):
        (tmp_path / "new" / "other").touch()
        raise KeyError
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["other"]


def test_a_pipe_at_the_target_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidArgument, match="a pipe or a socket"):
        PartialFile(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
