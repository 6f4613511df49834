"""Frames are found and looked at before anything is encoded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest

from farm_tasks.errors import BadFrames, FileMissing, InvalidArgument
from farm_tasks.media import find_frames
from farm_tasks.media.sequence import compact
from tests.support import frames

SIZE = (64, 36)


def numbers(pattern: str, frame_range: str | None = None, missing: str = "fail") -> list[int]:
    return [frame.number for frame in find_frames(pattern, frame_range, missing).frames]


@pytest.mark.parametrize("padding", ["####", "@@@@", "%04d", "$F4"])
def test_every_way_to_write_the_number_finds_the_frames(tmp_path: Path, padding: str) -> None:
    pattern = frames.exr_frames(tmp_path, 1001, 3, SIZE)
    assert numbers(pattern.replace("####", padding)) == [1001, 1002, 1003]


@pytest.mark.parametrize(
    ("frame_range", "found"),
    [
        ("1-6", [1, 2, 3, 4, 5, 6]),
        ("1-6x5", [1, 6]),
        ("6-4,1", [1, 4, 5, 6]),
        ("-2-0", [-2, -1, 0]),
        (None, [-2, -1, 0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_range_says_which_frames(
    tmp_path: Path, frame_range: str | None, found: list[int]
) -> None:
    assert numbers(frames.exr_frames(tmp_path, -2, 9, SIZE), frame_range) == found


def test_without_a_range_a_hole_is_a_missing_frame(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1001, 4, SIZE)
    os.unlink(tmp_path / "beauty.1003.exr")
    with pytest.raises(BadFrames, match="missing: 1003"):
        find_frames(pattern)


def test_without_a_range_frames_that_were_rendered_in_steps_have_no_holes(tmp_path: Path) -> None:
    source = frames.exr_frames(tmp_path / "source", 1, 1, SIZE).replace("####", "0001")
    for number in (1, 6, 11):
        shutil.copy(source, tmp_path / f"beauty.{number:04d}.exr")
    assert numbers(str(tmp_path / "beauty.####.exr")) == [1, 6, 11]


def test_only_files_named_exactly_so_are_frames(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1001, 2, SIZE)
    for name in ("beauty.1003.exr.tmp", "beauty.7.exr", "beauty.01004.exr", "beautyx1005.exr"):
        (tmp_path / name).write_bytes(b"")
    assert numbers(pattern) == [1001, 1002]


def test_missing_frames_are_named_in_compact_form(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1001, 12, SIZE)
    for number in (1004, 1005, 1006, 1010):
        os.unlink(tmp_path / f"beauty.{number}.exr")
    with pytest.raises(BadFrames, match=r"4 of 12 .*missing: 1004-1006, 1010") as raised:
        find_frames(pattern, "1001-1012")
    assert raised.value.args[1] == {"missing": "1004-1006, 1010"}
    assert [one.number for one in find_frames(pattern, None, "hold").frames if one.problem] == [
        1004, 1005, 1006, 1010,
    ]  # fmt: skip


def test_what_is_wrong_with_each_frame_is_said(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 7, SIZE)
    (tmp_path / "beauty.0002.exr").write_bytes(b"")
    os.truncate(tmp_path / "beauty.0003.exr", 1000)
    (tmp_path / "beauty.0004.exr").write_bytes(b"no picture at all")
    frames.write(tmp_path / "beauty.0005.exr", frames.scene((32, 18)).astype(np.float16))
    os.unlink(tmp_path / "beauty.0006.exr")
    os.mkdir(tmp_path / "beauty.0006.exr")
    with pytest.raises(BadFrames) as raised:
        find_frames(pattern)
    assert raised.value.args[1] == {
        "empty": "2",
        "truncated or damaged": "3",
        "not an EXR, DPX, TIFF, PNG or JPEG file": "4",
        "32x18 and not 64x36": "5",
        "not a regular file": "6",
    }


@pytest.mark.parametrize(
    ("kind", "pixels", "compression"),
    [
        ("exr", np.float16, "zip"),
        ("exr", np.float16, "zips"),
        ("exr", np.float16, "dwab"),
        ("exr", np.float32, "none"),
        ("tif", np.uint8, "lzw"),
        ("tif", np.uint16, "none"),
        ("dpx", np.uint8, ""),
        ("dpx", np.uint16, ""),
        ("png", np.uint8, ""),
        ("jpg", np.uint8, ""),
    ],
)
def test_a_frame_that_was_cut_off_is_found_wherever_it_was_cut(
    tmp_path: Path, kind: str, pixels: type, compression: str
) -> None:
    scene = np.clip(
        frames.scene((160, 90), 5) + np.random.default_rng(1).random((90, 160, 1)), 0, 1
    )
    if np.issubdtype(pixels, np.integer):
        scene *= np.iinfo(pixels).max
    whole = frames.write(tmp_path / f"a.1.{kind}", scene.astype(pixels), compression)
    data = whole.read_bytes()
    pattern = str(tmp_path / f"a.#.{kind}")
    for number, cut in enumerate((1, 20, len(data) // 3, len(data) - 300, len(data) - 8), 2):
        (tmp_path / f"a.{number}.{kind}").write_bytes(data[:-cut])

    found = find_frames(pattern, None, "hold").frames

    assert [frame.problem for frame in found] == [None] + ["truncated or damaged"] * 5


def test_a_tiled_frame_that_was_cut_off_is_found(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(100, 70, 3, "half")
    spec.tile_width = spec.tile_height = 32
    path = tmp_path / "a.1.exr"
    output = oiio.ImageOutput.create(str(path))
    output.open(str(path), spec)
    output.write_image(frames.scene((100, 70)))
    output.close()
    (tmp_path / "a.2.exr").write_bytes(path.read_bytes()[:-200])
    found = find_frames(str(tmp_path / "a.#.exr"), None, "hold").frames
    assert [frame.problem for frame in found] == [None, "truncated or damaged"]


@pytest.mark.parametrize("cut", [200, 4000])
def test_a_cut_in_a_later_part_is_found(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.1.exr"
    parts = [oiio.ImageSpec(64, 36, 3, "half") for _ in range(2)]
    for number, part in enumerate(parts):
        part.attribute("oiio:subimagename", f"part{number}")
        part.attribute("compression", "none")
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(parts)), output.geterror()
    for number, part in enumerate(parts):
        assert number == 0 or output.open(str(path), part, "AppendSubimage"), output.geterror()
        output.write_image(frames.scene(SIZE))
    output.close()
    (tmp_path / "a.2.exr").write_bytes(path.read_bytes()[:-cut])
    found = find_frames(str(tmp_path / "a.#.exr"), None, "hold").frames
    assert [frame.problem for frame in found] == [None, "truncated or damaged"]


def test_a_look_at_each_frame_is_told_and_can_be_ended(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 4, SIZE)
    told = []

    def on_look(done: int, total: int) -> None:
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_frames(pattern, None, "fail", on_look)
    assert told == [(1, 4), (2, 4), (3, 4)]


def test_no_frame_at_all_is_a_missing_file(tmp_path: Path) -> None:
    for frame_range in (None, "1-10"):
        with pytest.raises(FileMissing, match="beauty"):
            find_frames(str(tmp_path / "beauty.####.exr"), frame_range, "hold")
    with pytest.raises(FileMissing, match="does not exist"):
        find_frames(str(tmp_path / "nowhere" / "beauty.####.exr"))


def test_only_bad_frames_are_an_error_whatever_the_policy(tmp_path: Path) -> None:
    (tmp_path / "a.1.exr").write_bytes(b"")
    with pytest.raises(BadFrames, match="empty: 1"):
        find_frames(str(tmp_path / "a.#.exr"), "1-2", "warn")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "/a/beauty.exr",
        "/a/beauty.1001.exr",
        "/a/b.<UDIM>.exr",
        "/a/b.####.#.exr",
        "/a/\0.#.exr",
    ],
)
def test_a_path_without_a_place_for_the_number_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="frames: "):
        find_frames(pattern)


@pytest.mark.parametrize(
    "frame_range", ["", "all", "1-", "1-10x0", "1-2000000000", "1-9000000", "1.5-3", "9" * 5000]
)
def test_what_is_no_range_is_refused(frame_range: str) -> None:
    with pytest.raises(InvalidArgument, match="frame_range"):
        find_frames("/a/beauty.####.exr", frame_range)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="fail, hold, warn"):
        find_frames("/a/beauty.####.exr", "1-2", "ignore")


def test_very_many_holes_make_no_endless_message() -> None:
    named = compact(range(0, 10_000, 2))
    assert named.startswith("0, 2, 4")
    assert named.endswith("and 4970 more")


@pytest.mark.parametrize(
    ("name", "seventh"),
    [
        ("beauty2####.exr", "beauty20007.exr"),
        ("SH010-####.exr", "SH010-0007.exr"),
        ("be auty#1.####.exr", "be auty#1.0007.exr"),
        ("comp_####.v2.exr", "comp_0007.v2.exr"),
        ("1-9#.exr", "1-97.exr"),
    ],
)
def test_what_stands_before_the_padding_is_the_name_and_no_range(
    name: str, seventh: str, tmp_path: Path
) -> None:
    frames.write(tmp_path / seventh, frames.scene((16, 16)).astype("float16"))
    sequence = find_frames(str(tmp_path / name), "7", "fail")
    assert [Path(one.path).name for one in sequence.frames] == [seventh]
    assert [one.number for one in find_frames(str(tmp_path / name)).frames] == [7]


@pytest.mark.parametrize(
    "frame_range", ["1 - 9999999", "1-@9000000", "1-\n3000000", "1-3000000:9", "1-3000000y2", "1-,"]
)
def test_a_range_that_would_never_end_is_refused_before_it_is_listed(
    frame_range: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match="frame_range"):
        find_frames(str(tmp_path / "a.####.exr"), frame_range, "fail")
