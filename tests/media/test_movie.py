"""Frames become a movie with every frame in its place."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio  # noqa: N813
import pytest
from PIL import Image

from farm_tasks.errors import BadFrames, DiskFull, EncodingFailed, FileUnreadable, InvalidArgument
from farm_tasks.media import Encoding, Frame, FrameSequence, find_frames, make_movie
from farm_tasks.media.colour import DisplayTransform
from farm_tasks.media.probe import check_movie
from farm_tasks.media.shown import ShownFrames
from tests.media.shown import QUICK, movie_of, pictures
from tests.support import frames

SIZE = (160, 90)


def numbers_in(path: str | Path, size: tuple[int, int] = SIZE) -> list[int]:
    shown = (np.clip(one, 0, 255).astype(np.uint8) for one in pictures(path))
    return [frames.number_shown(one, size) for one in shown]


def test_every_frame_is_there_once_and_in_its_place(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1001, 30, SIZE)
    movie = movie_of(pattern, tmp_path / "out" / "a.mov", fps="23.976", preset="medium")
    assert numbers_in(movie.path) == list(range(1001, 1031))
    assert (movie.frames, movie.fps, movie.width, movie.height) == (30, "24000/1001", *SIZE)
    assert movie.path == str(tmp_path / "out" / "a.mov")
    assert movie.size == os.path.getsize(movie.path)
    assert movie.sha256 == hashlib.sha256(Path(movie.path).read_bytes()).hexdigest()
    assert movie.warnings == []
    assert json.loads(json.dumps(movie.to_dict()))["frames"] == 30


@pytest.mark.parametrize("fps", ["24", "24000/1001", "29.97", "12", "120"])
def test_the_rate_is_exact_in_every_time_stamp(tmp_path: Path, fps: str) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 12, (32, 18))
    movie = movie_of(pattern, tmp_path / "a.mp4", fps=fps, preset="medium")
    rate = Fraction(movie.fps)
    with av.open(movie.path) as container:
        video = container.streams.video[0]
        stamps = [frame.pts * frame.time_base for frame in container.decode(video)]
        assert (video.average_rate, video.start_time) == (rate, 0)
        assert video.duration * video.time_base == 12 / rate
    assert stamps == [index / rate for index in range(12)]


def test_the_same_frames_make_the_same_bytes(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 10, SIZE)
    settings = {"burn_in": ("frame", "date"), "silent_audio": True, "slate": True, "threads": 2}
    labels = {"date": "2031-05-04", "shot": "SH010"}
    made = [
        movie_of(pattern, tmp_path / name, labels=labels, preset="medium", **settings)
        for name in ("a.mp4", "b.mp4")
    ]
    assert made[0].sha256 == made[1].sha256
    assert b"Lavf" not in Path(made[0].path).read_bytes()  # nor a version in the container


def test_hold_shows_the_last_good_frame_or_the_first_one_at_the_start(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 9, SIZE)
    for number in (1, 2, 6, 9):
        os.unlink(tmp_path / f"beauty.{number:04d}.exr")
    os.truncate(tmp_path / "beauty.0005.exr", 3000)

    movie = movie_of(pattern, tmp_path / "a.mp4", "1-9", "hold")

    assert numbers_in(movie.path) == [3, 3, 3, 4, 4, 4, 7, 8, 8]
    assert any("Frames 1-2, 6, 9: missing;" in one for one in movie.warnings)
    assert any("Frames 5: truncated or damaged;" in one for one in movie.warnings)


def test_warn_shows_a_black_frame_that_says_so(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 4, SIZE)
    os.unlink(tmp_path / "beauty.0002.exr")

    movie = movie_of(pattern, tmp_path / "a.mp4", missing="warn")

    shown = pictures(movie.path)
    assert movie.frames == len(shown) == 4
    assert np.median(shown[1]) < 2
    assert shown[1][35:55].max() > 200  # there is a text
    assert np.median(shown[2]) > 20
    assert any("Frames 2: missing; a black frame" in one for one in movie.warnings)


def damaged(path: Path) -> None:
    """Break the middle of a file whose header and end stay."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)


def noisy_frames(folder: Path, count: int) -> str:
    """PNG files whose damage cannot hide."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    for number in range(1, count + 1):
        pixels = random.integers(0, 40, (SIZE[1], SIZE[0], 3), np.uint8)
        pixels[:] += np.uint8(number * 20)
        frames.write(folder / f"a.{number}.png", pixels)
    return str(folder / "a.#.png")


def test_damage_that_only_the_pixels_show_is_found_while_encoding(tmp_path: Path) -> None:
    pattern = noisy_frames(tmp_path, 4)
    damaged(tmp_path / "a.2.png")
    with pytest.raises(BadFrames, match="truncated or damaged: 2"):
        movie_of(pattern, tmp_path / "a.mp4")
    assert not list(tmp_path.glob("*.mp4*")) + list(tmp_path.glob(".a.mp4*"))

    movie = movie_of(pattern, tmp_path / "a.mp4", missing="hold")

    levels = [round(float(np.median(one)) / 20) for one in pictures(movie.path)]
    assert levels == [2, 2, 4, 5]
    assert any("Frames 2: truncated or damaged" in one for one in movie.warnings)


def test_a_jpeg_without_its_middle_is_found_while_encoding(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    frames.write(tmp_path / "a.1.jpg", chance.integers(0, 255, (90, 160, 3), np.uint8))
    data = (tmp_path / "a.1.jpg").read_bytes()
    (tmp_path / "a.1.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(BadFrames, match="truncated or damaged: 1"):
        movie_of(str(tmp_path / "a.#.jpg"), tmp_path / "a.mp4")


def test_frames_that_all_turn_out_damaged_make_no_movie(tmp_path: Path) -> None:
    pattern = noisy_frames(tmp_path, 2)
    for number in (1, 2):
        damaged(tmp_path / f"a.{number}.png")
    with pytest.raises(BadFrames, match="2 of 2"):
        movie_of(pattern, tmp_path / "a.mp4", missing="hold")


def test_a_frame_that_grew_since_it_was_looked_at_is_not_used(tmp_path: Path) -> None:
    sequence = find_frames(noisy_frames(tmp_path, 3))
    with open(tmp_path / "a.3.png", "ab") as file:
        file.write(b"more")
    with pytest.raises(BadFrames, match="being written: 3"):
        make_movie(sequence, str(tmp_path / "a.mp4"), Encoding(preset=QUICK))


def test_a_cancel_leaves_nothing_behind_and_an_older_movie_as_it_was(tmp_path: Path) -> None:
    sequence = find_frames(frames.exr_frames(tmp_path / "in", 1, 6, SIZE))
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.mp4").write_bytes(b"older")
    calls = []

    def on_frame(done: int, total: int) -> None:
        calls.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_movie(sequence, str(out / "a.mp4"), Encoding(preset=QUICK), {}, on_frame)
    assert calls == [(1, 6), (2, 6), (3, 6)]
    assert os.listdir(out) == ["a.mp4"]
    assert (out / "a.mp4").read_bytes() == b"older"


def test_a_cancel_is_heard_while_the_movie_is_looked_at(tmp_path: Path) -> None:
    sequence = find_frames(frames.exr_frames(tmp_path / "in", 1, 6, SIZE))
    calls = []

    def on_frame(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 8:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KeyboardInterrupt):
        make_movie(sequence, str(out / "a.mp4"), Encoding(preset=QUICK), {}, on_frame)
    assert calls == [*[(done, 6) for done in range(1, 7)], (6, 6), (6, 6)]
    assert os.listdir(out) == []


def test_a_frame_that_is_held_for_long_is_not_looked_for_again_and_again(tmp_path: Path) -> None:
    first = find_frames(frames.exr_frames(tmp_path, 1, 1, SIZE)).frames[0]
    gone = [Frame(number, "", None, "missing") for number in range(2, 100_001)]
    sequence = FrameSequence("a.#.exr", (first, *gone), "hold", *SIZE)
    with ThreadPoolExecutor(1) as pool:
        encoding = Encoding()
        transform = DisplayTransform(encoding, *sequence.first_good)
        shown = ShownFrames(sequence, encoding, {}, transform, pool)
    began = time.monotonic()
    numbers = {shown._source(place).number for place in range(99_000, 100_000)}  # type: ignore[union-attr]
    assert numbers == {1}
    assert time.monotonic() - began < 1.0


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    pattern = frames.exr_frames(tmp_path, 1, 1, SIZE)
    with pytest.raises(FileUnreadable):
        movie_of(pattern, tmp_path / "file" / "a.mp4")


def test_silent_audio_is_as_long_as_the_picture(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 31, (32, 18))
    movie = movie_of(pattern, tmp_path / "a.mp4", fps="29.97", silent_audio=True)
    with av.open(movie.path) as container:
        audio = container.streams.audio[0]
        assert (audio.codec_context.name, audio.layout.name, audio.rate) == ("aac", "stereo", 48000)
        sound = np.concatenate([one.to_ndarray() for one in container.decode(audio)], axis=1)
    picture = 31 * 1001 / 30000
    assert abs(sound.shape[1] / 48000 - picture) <= 1024 / 48000
    assert np.abs(sound).max() < 1e-4


def test_an_odd_size_is_made_even_and_that_is_said(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 1, 2, (63, 37))
    movie = movie_of(pattern, tmp_path / "a.mp4")
    assert (movie.width, movie.height) == (64, 38)
    assert any("63x37" in one for one in movie.warnings)


def test_wide_pixels_are_said_in_the_movie(tmp_path: Path) -> None:
    _exr(tmp_path / "a.1.exr", np.full((32, 48, 3), 0.2, np.float16), PixelAspectRatio=2.0)
    movie = movie_of(str(tmp_path / "a.#.exr"), tmp_path / "a.mp4")
    with av.open(movie.path) as container:
        assert container.streams.video[0].sample_aspect_ratio == 2
    assert any("2 times as wide" in one for one in movie.warnings)


def test_the_display_window_is_the_picture(tmp_path: Path) -> None:
    for number, (x, y) in enumerate(((-16, -8), (20, 10)), 1):
        spec = oiio.ImageSpec(96, 48, 3, "half")
        spec.x, spec.y = x, y
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, 64, 32
        pixels = np.zeros((48, 96, 3), np.float16)
        pixels[10 - y : 20 - y, 20 - x : 40 - x] = 4  # at the same place of every display window
        _write(tmp_path / f"a.{number}.exr", spec, pixels)
    movie = movie_of(str(tmp_path / "a.#.exr"), tmp_path / "a.mp4", preset="medium", crf=4)
    assert (movie.width, movie.height) == (64, 32)
    for shown in pictures(movie.path):
        bright = shown.mean(axis=2) > 100
        assert bright[11:19, 21:39].all()
        bright[10:20, 20:40] = False
        assert not bright.any()


def test_red_green_and_blue_are_picked_from_many_channels_and_that_is_said(tmp_path: Path) -> None:
    names = ["diffuse.R", "diffuse.G", "diffuse.B", "B", "Z", "A", "R", "G"]
    values = [4, 4, 4, 0.0, 9, 0.5, 0.5, 0.1]
    _exr(tmp_path / "a.1.exr", np.tile(np.float16(values), (16, 32, 1)), names)
    _exr(tmp_path / "b.1.exr", np.tile(np.float16([0.5, 0.1, 0]), (16, 32, 1)))
    movie = movie_of(str(tmp_path / "a.#.exr"), tmp_path / "a.mp4")
    plain = movie_of(str(tmp_path / "b.#.exr"), tmp_path / "b.mp4")
    assert plain.sha256 == movie.sha256
    assert movie.warnings == ["Shown are the channels R, G, B; 4 others are not."]


@pytest.mark.parametrize(
    ("names", "values", "shown"),
    [
        (["Y"], [0.18], "Y"),
        (["a.R", "a.G", "a.B", "b.R", "b.G", "b.B"], [0.18, 0.18, 0.18, 9, 9, 9], "a.R, a.G, a.B"),
        (["depth"], [0.18], "depth"),
    ],
)
def test_what_has_no_plain_rgb_is_shown_all_the_same(
    tmp_path: Path, names: list[str], values: list[float], shown: str
) -> None:
    _exr(tmp_path / "a.1.exr", np.tile(np.float16(values), (16, 32, 1)), names)
    movie = movie_of(str(tmp_path / "a.#.exr"), tmp_path / "a.mp4")
    assert np.ptp(pictures(movie.path)[0].mean((0, 1))) < 1
    assert all(shown in one for one in movie.warnings)


def test_alpha_is_over_black(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 16), (200, 200, 200, 128)).save(tmp_path / "a.1.png")
    movie = movie_of(str(tmp_path / "a.#.png"), tmp_path / "a.mp4")
    assert abs(np.median(pictures(movie.path)[0]) - 100) <= 1
    assert movie.warnings == []


@pytest.mark.parametrize("view", [None, "Un-tone-mapped"])
def test_pixels_that_are_no_numbers_do_no_harm(tmp_path: Path, view: str | None) -> None:
    pixels = np.full((32, 64, 3), 0.18, np.float32)
    pixels[:, :16] = (np.nan, 0, np.nan)
    pixels[:, 16:32] = np.inf
    pixels[:, 32:48] = -np.inf
    pixels[:, 48:56] = 3e38
    _exr(tmp_path / "a.1.exr", pixels)
    shown = pictures(
        movie_of(str(tmp_path / "a.#.exr"), tmp_path / "a.mp4", crf=4, view=view).path
    )[0]
    assert shown[:, 4:12].max() < 5  # NaN is black
    assert shown[:, 20:28].min() > 200
    assert shown[:, 36:44].max() < 5


def test_a_header_that_promises_too_much_costs_no_memory(tmp_path: Path) -> None:
    frames.write(tmp_path / "a.1.png", np.zeros((8, 8, 3), np.uint8))
    data = bytearray((tmp_path / "a.1.png").read_bytes())
    data[16:24] = (10_000).to_bytes(4, "big") * 2  # width and height of IHDR
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.2.png").write_bytes(data)
    found = find_frames(str(tmp_path / "a.#.png"), None, "hold")
    assert "larger than H.264 takes" in str(found.frames[1].problem)

    spec = oiio.ImageSpec(8, 8, 3, "half")
    spec.full_width = spec.full_height = 20_000
    _write(tmp_path / "b.1.exr", spec, np.zeros((8, 8, 3), np.float16))
    with pytest.raises(BadFrames, match=r"larger than H\.264 takes"):
        find_frames(str(tmp_path / "b.#.exr"))


def test_a_movie_that_is_another_one_than_it_should_be_is_refused(tmp_path: Path) -> None:
    movie = movie_of(frames.exr_frames(tmp_path, 1, 5, (32, 18)), tmp_path / "a.mp4")
    check_movie(movie.path, 5, Fraction(24), 32, 18)
    for wrong in ((6, Fraction(24), 32, 18), (5, Fraction(25), 32, 18), (5, Fraction(24), 34, 18)):
        with pytest.raises(EncodingFailed, match="encoded wrong"):
            check_movie(movie.path, *wrong)


def test_a_movie_that_does_not_fit_is_removed(tmp_path: Path) -> None:
    pattern = noisy_frames(tmp_path / "in", 9)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(DiskFull, match="Make room"):
            movie_of(pattern, tmp_path / "out" / "a.mp4", crf=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "settings",
    [{"burn_in": ("weather",)}, {"crf": 0}, {"preset": "best"}, {"threads": 0}, {"fps": "fast"}],
)
def test_settings_that_can_never_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(settings))):
        Encoding(**settings)  # type: ignore[arg-type]


def test_half_hd_frames_are_told_apart(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 999, 2, (960, 540))
    assert numbers_in(movie_of(pattern, tmp_path / "a.mp4").path, (960, 540)) == [999, 1000]


def _exr(
    path: Path, pixels: np.ndarray, names: list[str] | None = None, **attributes: float
) -> None:
    kind = "half" if pixels.dtype == np.float16 else "float"
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    if names:
        spec.channelnames = names
    for name, value in attributes.items():
        spec.attribute(name, value)
    _write(path, spec, pixels)


def _write(path: Path, spec: oiio.ImageSpec, pixels: np.ndarray) -> None:
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(pixels), output.geterror()
    output.close()
