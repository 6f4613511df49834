"""A worker's movie is made within its roots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import FileMissing, OutsideRoots
from farm_tasks.media import Encoding, find_frames, make_movie
from tests.media.shown import QUICK
from tests.support import frames

SIZE = (32, 18)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder with ``in`` to read and ``out`` to write, and ``elsewhere``."""
    for name in ("in", "out", "elsewhere"):
        frames.exr_frames(tmp_path / name / "shot", 1, 3, SIZE)
    return tmp_path


def confined(roots: Path) -> Confinement:
    return Confinement([roots / "in"], [roots / "out"], tag="0123abcd")


def test_frames_under_the_read_roots_make_a_movie_under_the_write_roots(roots: Path) -> None:
    with confined(roots):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"))
        movie = make_movie(sequence, str(roots / "out" / "new" / "a.mp4"), Encoding(preset=QUICK))
    assert movie.frames == 3
    assert os.listdir(roots / "out" / "new") == ["a.mp4"]


def test_frames_elsewhere_are_not_even_listed(roots: Path) -> None:
    with confined(roots):
        for pattern in ("elsewhere/shot/beauty.####.exr", "in/../elsewhere/shot/gone.####.exr"):
            for frame_range in (None, "1-3"):
                with pytest.raises(OutsideRoots):
                    find_frames(str(roots / pattern), frame_range, "hold")
        with pytest.raises(FileMissing):
            find_frames(str(roots / "in" / "gone" / "beauty.####.exr"))


def test_a_link_out_of_the_roots_is_not_followed(roots: Path) -> None:
    frame = roots / "in" / "shot" / "beauty.0002.exr"
    frame.unlink()
    frame.symlink_to(roots / "elsewhere" / "shot" / "beauty.0002.exr")
    with confined(roots), pytest.raises(OutsideRoots):
        find_frames(str(roots / "in" / "shot" / "beauty.####.exr"), None, "hold")


def test_a_frame_that_became_a_link_meanwhile_is_not_followed(roots: Path) -> None:
    with confined(roots):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"), None, "hold")
        os.rename(roots / "in" / "shot", roots / "in" / "moved")
        (roots / "in" / "shot").symlink_to(roots / "elsewhere" / "shot")
        with pytest.raises(OutsideRoots):
            make_movie(sequence, str(roots / "out" / "a.mp4"), Encoding(preset=QUICK))
    assert os.listdir(roots / "out") == ["shot"]


def test_a_folder_that_becomes_a_link_while_encoding_is_not_followed(roots: Path) -> None:
    frames.exr_frames(roots / "in" / "shot", 1, 6, SIZE)

    def on_frame(done: int, total: int) -> None:
        if done == 1:
            os.rename(roots / "in" / "shot", roots / "in" / "moved")
            (roots / "in" / "shot").symlink_to(roots / "in" / "moved")

    with confined(roots):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"))
        movie = str(roots / "out" / "a.mp4")
        with pytest.raises(OutsideRoots, match="symbolic link"):
            make_movie(sequence, movie, Encoding(preset=QUICK), {}, on_frame)


@pytest.mark.parametrize("argument", ["logo", "color_config"])
def test_other_files_are_read_under_the_read_roots_alone(roots: Path, argument: str) -> None:
    (roots / "elsewhere" / "file").write_bytes(b"secret")
    encoding = Encoding(preset=QUICK, **{argument: str(roots / "elsewhere" / "file")})
    with confined(roots):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"))
        with pytest.raises(OutsideRoots):
            make_movie(sequence, str(roots / "out" / "a.mp4"), encoding)


def test_a_movie_outside_the_write_roots_needs_a_folder_of_ones_own(roots: Path) -> None:
    with confined(roots):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"))
        path = str(roots / "elsewhere" / "a.mp4")
        with pytest.raises(OutsideRoots):
            make_movie(sequence, path, Encoding(preset=QUICK))
        assert make_movie(sequence, path, Encoding(preset=QUICK), own_folder=True).path == path


def test_what_a_killed_attempt_left_is_swept(roots: Path) -> None:
    left = roots / "out" / ".a.mp4.0123abcd.89abcdef.part"
    left.write_bytes(b"half a movie")
    with Confinement([roots / "in"], [roots / "out"], tag="0123abcd", sweep=True):
        sequence = find_frames(str(roots / "in" / "shot" / "beauty.####.exr"))
        make_movie(sequence, str(roots / "out" / "a.mp4"), Encoding(preset=QUICK))
    assert not left.exists()
