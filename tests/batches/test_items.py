from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from farm_tasks.batches.items import Item, items_of
from farm_tasks.batches.rows import Row
from farm_tasks.errors import (
    EmptyFile,
    ExtensionRefused,
    FarmTasksError,
    FileMissing,
    InvalidArgument,
)
from tests.support.environment import environment_of


def item(**arguments: Any) -> Item:
    return items_of([Row(2, {"task": "t", **arguments})])[0]


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / "still_v003.png"
    path.write_bytes(b"x" * 10)
    return path


def test_a_good_row_has_its_files_and_their_size(still: Path) -> None:
    made = item(previews=[str(still)], attachments=[str(still)])
    assert made.error is None
    assert made.size == 20
    assert [one.path for one in made.files] == [str(still)] * 2


def test_the_key_stays_while_the_row_and_its_files_do(still: Path) -> None:
    first = item(previews=[str(still)], comment="a")
    assert item(comment="a", previews=[str(still)]).key == first.key
    assert item(previews=[str(still)], comment="b").key != first.key
    os.utime(still, ns=(1, 1))
    touched = item(previews=[str(still)], comment="a").key
    assert touched != first.key
    still.write_bytes(b"y" * 11)
    os.utime(still, ns=(1, 1))
    assert item(previews=[str(still)], comment="a").key not in {touched, first.key}


def test_the_key_follows_each_frame(tmp_path: Path) -> None:
    def key() -> str:
        return item(frames=str(tmp_path / "b.####.exr"), fps="24").key

    for number in (1001, 1002):
        (tmp_path / f"b.{number}.exr").write_bytes(b"x")
    first = key()
    assert key() == first
    (tmp_path / "b.1003.exr").write_bytes(b"x")
    assert key() != first


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("b.####.exr", 2),
        ("b.%04d.exr", 2),
        ("b.$F4.exr", 2),
        ("b.#.exr", 3),
        ("b.%d.exr", 3),
        ("c#1.####.exr", 1),
        ("d.%99999999999d.exr", 0),
    ],
)
def test_frames_are_those_that_the_worker_takes(tmp_path: Path, pattern: str, count: int) -> None:
    for name in ("b.0001", "b.10000", "b.2", "b.3", "b.00004", "c#1.0001", "b.0005.x", "b.x"):
        (tmp_path / f"{name}.exr").write_bytes(b"x")
    made = item(frames=str(tmp_path / pattern), fps="24")
    assert [one.count for one in made.files] == [count]
    assert isinstance(made.error, FileMissing) == (not count)


def test_keys_can_be_ones_own_and_be_made_new(still: Path) -> None:
    row = Row(2, {"task": "t", "previews": [str(still)], "key": "mine"})
    assert items_of([row])[0].key == "mine"
    assert items_of([row], again="x")[0].key == "mine:x"
    del row.arguments["key"]
    assert items_of([row], "night")[0].key.startswith("night:")


@pytest.mark.parametrize("revision", [3, "3", "from-name"])
def test_a_revision_that_a_row_names_is_not_published_again(
    still: Path, revision: int | str
) -> None:
    row = Row(2, {"task": "t", "previews": [str(still)], "revision": revision})
    assert items_of([row])[0].error is None
    with pytest.raises(InvalidArgument, match="leave out --again"):
        raise items_of([row], again="x")[0].error or AssertionError("it is not refused")
    row.arguments["revision"] = "auto"
    assert items_of([row], again="x")[0].error is None


def test_the_same_row_twice_is_said_to_be(still: Path) -> None:
    rows = [Row(number, {"task": "t", "previews": [str(still)]}) for number in (2, 3)]
    assert [one.note for one in items_of(rows)] == ["", "the same as row 2"]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"frames": "b.exr", "fps": "24"}, InvalidArgument, "no place"),
        ({"frames": "b_####_c.exr", "fps": "24"}, InvalidArgument, "no place"),
        ({"previews": ["gone.png"]}, FileMissing, "gone.png"),
        ({"previews": ["note.tif"]}, ExtensionRefused, "tif"),
        ({"previews": ["empty.png"]}, EmptyFile, "empty"),
        ({"previews": ["."]}, InvalidArgument, "folder"),
        ({"previews": ["still_v003.png"], "attachments": ["a.toolong1"]}, InvalidArgument, "6"),
        ({"frames": "b.####.exr", "fps": "24"}, FileMissing, "no frame"),
        ({"frames": "b.####.exr"}, InvalidArgument, "fps"),
        ({"frames": "b.####.exr", "fps": "fast"}, InvalidArgument, "fps"),
        ({"previews": ["still_v003.png"], "revision": "next"}, InvalidArgument, "revision"),
        ({"previews": ["still_v003.png"], "priority": "urgent"}, InvalidArgument, "priority"),
    ],
)
def test_what_would_fail_later_is_known_before(
    still: Path, arguments: dict[str, Any], kind: type[FarmTasksError], message: str
) -> None:
    for name, content in (("note.tif", b"x"), ("empty.png", b""), ("a.toolong1", b"x")):
        (still.parent / name).write_bytes(content)
    for name in {"previews", "attachments"} & set(arguments):
        arguments[name] = [str(still.parent / one) for one in arguments[name]]
    if "frames" in arguments:
        arguments["frames"] = str(still.parent / arguments["frames"])
    with pytest.raises(kind, match=message):
        raise item(**arguments).error or AssertionError("it is not refused")


def test_what_this_machine_does_not_see_is_left_to_the_worker() -> None:
    made = item(previews=["/nowhere/at all/a.mov"], attachments=["P:\\notes.txt"])
    assert made.error is None
    assert made.size is None
    assert "not to be seen from this machine: /nowhere/at all/a.mov" in made.note


def test_a_list_of_another_system_finds_its_files_by_the_path_map(still: Path) -> None:
    there = "P:\\shots\\still_v003.png"
    mapping = still.parent / "map.toml"
    mapping.write_text(f"[projects]\nlinux = {str(still.parent)!r}\nwindows = ['P:\\shots']\n")
    with environment_of({"FARM_TASKS_PATH_MAP": str(mapping)}):
        here, mapped = item(previews=[str(still)]), item(previews=[there])
        gone = item(previews=["P:\\shots\\gone.png"])
    assert mapped.size == 10
    assert mapped.key == here.key, "it is the same row, whoever submits it"
    assert str(still.parent / "gone.png") in str(gone.error)


def test_the_size_that_is_allowed_is_the_workers_to_know(still: Path) -> None:
    with environment_of({"FARM_TASKS_MAX_UPLOAD_BYTES": "5"}):
        made = item(previews=[str(still)])
    assert made.error is None
    assert "FARM_TASKS_MAX_UPLOAD_BYTES" in made.note
