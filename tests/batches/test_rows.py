from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from farm_tasks.batches.rows import Row, read_rows
from farm_tasks.batches.tables import TableRow
from farm_tasks.errors import InvalidArgument


def read(cells: dict[str, Any], folder: Path = Path("/lists"), **defaults: Any) -> Row:
    return read_rows([TableRow(2, cells)], folder, defaults)[0]


def test_columns_may_be_called_as_people_call_them() -> None:
    row = read(
        {
            "Task": "demo/SQ01/SH010/comp",
            "File": "review/a.mov",
            "STATUS": "wfa",
            "Frame Range": "1001-1100",
            "colour-space": "ACEScg",
            "Ready": "no",
            "Revision": "7",
        }
    )
    assert row.error is None
    assert row.arguments == {
        "task": "demo/SQ01/SH010/comp",
        "previews": ["/lists/review/a.mov"],
        "task_status": "wfa",
        "frame_range": "1001-1100",
        "color_space": "ACEScg",
        "wait_until_ready": False,
        "revision": 7,
    }


def test_several_files_in_a_cell_are_on_lines_or_between_bars() -> None:
    row = read({"task": "t", "files": "a b.mov|c,d.png\r\ne;f.pdf", "attachments": "/n.txt"})
    assert row.arguments["previews"] == ["/lists/a b.mov", "/lists/c,d.png", "/lists/e;f.pdf"]
    assert row.arguments["attachments"] == ["/n.txt"]


def test_a_path_of_windows_is_left_to_the_path_map() -> None:
    row = read({"task": "t", "files": ["P:\\a.mov", "\\\\server\\b.mov"]})
    assert row.arguments["previews"] == ["P:\\a.mov", "\\\\server\\b.mov"]


@pytest.mark.parametrize(
    ("cells", "target"),
    [
        ({"sequence": "SQ01", "shot": "SH010", "task_type": "comp"}, "demo/SQ01/SH010/comp"),
        (
            {"episode": "E1", "sequence": "SQ01", "shot": "SH010", "task type": "comp"},
            "demo/E1/SQ01/SH010/comp",
        ),
        ({"asset_type": "Prop", "asset": "Lamp", "task_type": "rig"}, "demo/Prop/Lamp/rig"),
    ],
)
def test_columns_may_make_the_task(cells: dict[str, str], target: str) -> None:
    assert read({**cells, "file": "a.mov"}, project="demo").arguments["task"] == target


def test_what_the_row_says_wins_over_what_counts_for_all() -> None:
    row = read({"task": "t", "file": "a", "slate": "no"}, task_status="wfa", slate=True, fps=None)
    assert row.arguments["task_status"] == "wfa"
    assert row.arguments["slate"] is False
    assert "fps" not in row.arguments


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"task": "t", "file": "a", "statsu": "wfa"}, "status"),
        ({"task": "t", "file": "a", "flavour": "x"}, "There are .*task_type, task,"),
        ({"file": "a"}, "Missing: project, sequence, shot, task_type"),
        ({"file": "a", "project": "p", "sequence": "a/b", "shot": "s", "task_type": "t"}, "slash"),
        ({"task": "t"}, "names no file"),
        ({"task": "t", "file": "a", "slate": "perhaps"}, "slate: 'perhaps' is neither yes nor no"),
        ({"task": "t", "file": "a", "comment": ["x"]}, "comment: .* is not a text"),
        ({"task": "t", "file": "a", "movie": "b"}, "a second time"),
        ({"task": "t", "file": "a", "version": "9" * 5000}, "version: 9+... is too large"),
        ({"task": {"id": 1}, "file": "a"}, "task: .* is not a text"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(cells: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        raise read(cells).error or AssertionError("it is not refused")


def test_a_wrong_row_is_still_known_by_its_task_and_files() -> None:
    row = read({"sequence": "SQ01", "shot": "SH010", "file": "a.mov", "statsu": "x"}, project="p")
    assert row.arguments == {"task": "p/SQ01/SH010", "previews": ["a.mov"]}


def test_a_wrong_row_does_not_stop_the_rest() -> None:
    table = [TableRow(2, wrong="x"), TableRow(3, {"task": "t", "file": "a"})]
    assert [one.error is None for one in read_rows(table, Path("/"))] == [False, True]
