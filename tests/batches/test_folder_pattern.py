from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from farm_tasks.batches.files import frames_at
from farm_tasks.batches.folder_pattern import rows_in
from farm_tasks.batches.rows import read_rows
from farm_tasks.batches.tables import TableRow
from farm_tasks.errors import FileMissing, InvalidArgument
from farm_tasks.media import find_frames
from tests.support.frames import exr_frames


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
            "file": [f"{tmp_path}/SQ01_SH010_comp_v003.mov"],
        },
        {
            "sequence": "SQ01", "shot": "SH020", "task_type": "comp", "revision": "010",
            "file": [f"{tmp_path}/SQ01_SH020_comp_v010.mov"],
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
    assert row.cells["file"] == [f"{tmp_path}/SQ01/SH010/SQ01_SH010.mov"]


def test_the_frames_of_a_sequence_are_one_row(tmp_path: Path) -> None:
    make(tmp_path, *(f"SH010/b1001.{n}.exr" for n in range(1001, 1004)),
         *(f"SH020/b.{n}.exr" for n in (9, 10)))  # fmt: skip
    rows = rows_in(f"{tmp_path}/{{shot}}/{{any}}.{{frame}}.exr")
    assert [one.cells for one in rows] == [
        {"shot": "SH010", "frames": f"{tmp_path}/SH010/b1001.####.exr"},
        {"shot": "SH020", "frames": f"{tmp_path}/SH020/b.#.exr"},
    ]


def found_frames(folder: Path, numbers: list[str], **options: bool) -> TableRow:
    make(folder, *(f"SH010.{number}.png" for number in numbers))
    (row,) = rows_in(f"{folder}/{{shot}}.{{frame}}.png", **options)
    return row


@pytest.mark.parametrize(
    ("numbers", "padding"),
    [
        (["097", "098", "100", "1000", "1001"], "###"),
        (["09", "10", "100"], "##"),
        (["998", "999", "1000"], "###"),
        (["0", "9", "10", "100"], "#"),
        (["0001", "0003", "0004"], "####"),
    ],
)
def test_a_movie_has_all_frames_that_were_found(
    tmp_path: Path, numbers: list[str], padding: str
) -> None:
    source = exr_frames(tmp_path / "source", 1, 1, (8, 8)).replace("####", "0001")
    for number in numbers:
        shutil.copy(source, tmp_path / f"SH010.{number}.png")
    (row,) = rows_in(f"{tmp_path}/{{shot}}.{{frame}}.png")
    assert not row.wrong
    assert row.cells["frames"] == f"{tmp_path}/SH010.{padding}.png"
    assert frames_at(row.cells["frames"]).count == len(numbers)
    movie = find_frames(row.cells["frames"], missing="warn").frames
    assert [one.number for one in movie if one.header] == [*map(int, numbers)]


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        (["1", "0002", "3"], "1 of 3 frames .* SH010.0002.png"),
        (["1", "0001"], "1 of 2 frames .* SH010.0001.png"),
        (["998", "0999", "1000"], "1 of 3 frames .* SH010.0999.png"),
        (["1234567890", "1234567891"], "2 of 2 frames .* SH010.1234567890.png"),
    ],
)
def test_frames_that_a_movie_would_not_have_are_never_lost_in_silence(
    tmp_path: Path, numbers: list[str], lost: str
) -> None:
    assert re.search(lost, found_frames(tmp_path, numbers).wrong)
    assert found_frames(tmp_path, numbers, ranged=True).wrong


def test_frames_that_the_pattern_leaves_out_are_not_in_the_movie_unasked(tmp_path: Path) -> None:
    make(tmp_path, *(f"SH010.{number}.png" for number in ("-001", "1001", "1002", "2001")))
    pattern = f"{tmp_path}/{{shot}}.{{frame:1###}}.png"
    (row,) = rows_in(pattern)
    assert "2 frames that the pattern does not find" in row.wrong
    (row,) = rows_in(pattern, ranged=True)
    assert not row.wrong


def test_a_number_that_is_not_before_the_extension_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "SH010_1001_beauty.png")
    (row,) = rows_in(f"{tmp_path}/{{shot}}_{{frame}}_beauty.png")
    assert "SH010_####_beauty.png has no place" in row.wrong


def test_a_name_that_would_be_taken_for_the_number_is_refused(tmp_path: Path) -> None:
    make(tmp_path, *(f"SH010#{number}.png" for number in ("1001", "1002")))
    (row,) = rows_in(f"{tmp_path}/{{shot}}#{{frame}}.png")
    assert "2 of 2 frames" in row.wrong


TASK = {"project": "demo", "sequence": "SQ01", "task_type": "comp"}


def test_a_found_name_is_one_file_whatever_is_in_it(tmp_path: Path) -> None:
    names = ["SH010|x_v001.png", "SH020\nx.png"]
    make(tmp_path, *names)
    rows = read_rows(rows_in(f"{tmp_path}/{{shot}}.png"), Path("/"), TASK)
    assert [one.arguments["previews"] for one in rows] == [[f"{tmp_path}/{one}"] for one in names]


def test_a_name_that_ends_with_a_blank_is_not_read_without_it(tmp_path: Path) -> None:
    make(tmp_path, "SH010.png ", "b.1.png ")
    for pattern in ("{any}.{shot:p*}", "b.{frame}.png "):
        assert all("blank" in one.wrong for one in rows_in(f"{tmp_path}/{pattern}"))


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
        ("{frame}/{any}.mov", "{frame} stands once"),
        ("{frame}.{frame}.mov", "{frame} stands once"),
    ],
)
def test_a_pattern_that_cannot_work_says_why(tmp_path: Path, pattern: str, message: str) -> None:
    make(tmp_path, "review.mov")
    with pytest.raises(InvalidArgument, match=message):
        rows_in(f"{tmp_path}/{pattern}")


def test_a_pattern_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="No file"):
        rows_in(f"{tmp_path}/none/{{shot}}/x.mov")
