from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.batches.folder_pattern import rows_in
from farm_tasks.errors import FileMissing, InvalidArgument


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_the_name_of_a_file_tells_its_task(tmp_path: Path) -> None:
    make(tmp_path, "SQ01_SH020_comp_v010.mov", "SQ01_SH010_comp_v003.mov", "notes.txt",
         ".SQ01_SH030_comp_v001.mov", "SQ01_SH040_comp_v001.mov.tmp")  # fmt: skip
    rows = rows_in(f"{tmp_path}/{{sequence}}_{{shot}}_{{task_type}}_v{{revision}}.mov")
    assert [one.cells for one in rows] == [
        {
            "sequence": "SQ01", "shot": "SH010", "task_type": "comp", "revision": "003",
            "file": f"{tmp_path}/SQ01_SH010_comp_v003.mov",
        },
        {
            "sequence": "SQ01", "shot": "SH020", "task_type": "comp", "revision": "010",
            "file": f"{tmp_path}/SQ01_SH020_comp_v010.mov",
        },
    ]  # fmt: skip
    assert [one.number for one in rows] == [1, 2]


def test_a_name_that_can_be_read_in_two_ways_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "SQ_01_SH010.mov", "SQ02_SH010.mov")
    good, bad = sorted(rows_in(f"{tmp_path}/{{sequence}}_{{shot}}.mov"), key=lambda one: one.wrong)
    assert good.cells["sequence"] == "SQ02"
    assert "sequence is 'SQ' or 'SQ_01'" in bad.wrong


def test_a_field_may_say_what_it_looks_like(tmp_path: Path) -> None:
    make(tmp_path, "SQ_01_SH010.mov")
    (row,) = rows_in(f"{tmp_path}/{{sequence:SQ_##}}_{{shot:SH*}}.mov")
    assert not row.wrong
    assert (row.cells["sequence"], row.cells["shot"]) == ("SQ_01", "SH010")


def test_folders_are_fields_too_and_one_said_twice_is_the_same(tmp_path: Path) -> None:
    make(tmp_path, "SQ01/SH010/SQ01_SH010.mov", "SQ01/SH020/SQ02_SH020.mov", "SQ01/x.mov")
    (row,) = rows_in(f"{tmp_path}/{{sequence}}/{{shot}}/{{sequence}}_{{shot}}.mov")
    assert row.cells["file"] == f"{tmp_path}/SQ01/SH010/SQ01_SH010.mov"


def test_the_frames_of_a_sequence_are_one_row(tmp_path: Path) -> None:
    make(tmp_path, *(f"SH010/b1001.{n}.exr" for n in range(1001, 1004)),
         *(f"SH020/b.{n}.exr" for n in (9, 10)))  # fmt: skip
    rows = rows_in(f"{tmp_path}/{{shot}}/{{any}}.{{frame}}.exr")
    assert [one.cells for one in rows] == [
        {"shot": "SH010", "frames": f"{tmp_path}/SH010/b1001.####.exr"},
        {"shot": "SH020", "frames": f"{tmp_path}/SH020/b.#.exr"},
    ]


def test_shot_9_comes_before_shot_10(tmp_path: Path) -> None:
    make(tmp_path, "SH10.mov", "SH9.mov")
    assert [one.cells["shot"] for one in rows_in(f"{tmp_path}/{{shot}}.mov")] == ["SH9", "SH10"]


def test_what_stands_for_itself_in_the_pattern_stands_for_itself(tmp_path: Path) -> None:
    make(tmp_path, "a+b(1)/SH010.mov", "aab1/SH020.mov")
    (row,) = rows_in(f"{tmp_path}/a+b(1)/{{shot}}.m?v")
    assert row.cells["shot"] == "SH010"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{shto}.mov", "shot"),
        ("{shot.mov", "brace"),
        ("review.mov", "no field"),
        ("{shot:}.mov", "colon"),
        ("{shot:a/b}.mov", "colon|brace"),
    ],
)
def test_a_pattern_that_cannot_work_says_why(tmp_path: Path, pattern: str, message: str) -> None:
    make(tmp_path, "review.mov")
    with pytest.raises(InvalidArgument, match=message):
        rows_in(f"{tmp_path}/{pattern}")


def test_a_pattern_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="No file"):
        rows_in(f"{tmp_path}/none/{{shot}}/x.mov")
