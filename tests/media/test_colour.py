"""What is seen is what OpenColorIO says, and the movie says what it is."""

from __future__ import annotations

import copy
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio  # noqa: N813
import pytest

from farm_tasks.errors import FileMissing, InvalidArgument
from tests.media.shown import movie_of, pictures
from tests.support import frames

SIZE = (320, 180)
VIEW = ("sRGB - Display", "ACES 2.0 - SDR 100 nits (Rec.709)")
ACES_1 = "cg-config-v2.2.0_aces-v1.3_ocio-v2.4"


def reference(
    space: str = "ACEScg",
    display: str = VIEW[0],
    view: str = VIEW[1],
    config: str = "ocio://default",
    values: tuple[tuple[float, float, float], ...] = frames.PATCHES,
) -> npt.NDArray[np.float64]:
    """Code values of the patches by OpenColorIO alone, one pixel at a time."""
    transform = ocio.DisplayViewTransform(space, display, view)
    processor = ocio.Config.CreateFromFile(config).getProcessor(transform).getDefaultCPUProcessor()
    return np.array([np.clip(processor.applyRGB(list(one)), 0, 1) for one in values]) * 255


def patches_of(path: str | Path) -> npt.NDArray[np.float64]:
    shown = pictures(path)[0]
    return np.array(
        [shown[frames.patch(SIZE, place)].mean((0, 1)) for place in range(len(frames.PATCHES))]
    )


def one_frame(folder: Path) -> str:
    return frames.exr_frames(folder, 1, 1, SIZE)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"color_space": "Linear Rec.709 (sRGB)"}, {"space": "Linear Rec.709 (sRGB)"}),
        ({"color_space": "ACES2065-1"}, {"space": "ACES2065-1"}),
        ({"view": "Un-tone-mapped"}, {"view": "Un-tone-mapped"}),
        ({"display": "Rec.1886 Rec.709 - Display"}, {"display": "Rec.1886 Rec.709 - Display"}),
        (
            {"color_config": ACES_1},
            {"config": f"ocio://{ACES_1}", "view": "ACES 1.0 - SDR Video"},
        ),
    ],
)
def test_patches_are_within_two_code_values_of_opencolorio(
    tmp_path: Path, settings: dict[str, str], expected: dict[str, str]
) -> None:
    movie = movie_of(one_frame(tmp_path), tmp_path / "a.mp4", preset="slow", **settings)
    error = np.abs(patches_of(movie.path) - reference(**expected))
    assert error.max() <= 2, error.round(1)


def test_the_movie_is_tagged_in_the_container_and_in_the_stream(tmp_path: Path) -> None:
    movie = movie_of(one_frame(tmp_path), tmp_path / "a.mp4")
    with av.open(movie.path) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert container.streams.video[0].format.name == "yuv420p"
        tags = (context.color_range, context.colorspace)
        assert (*tags, context.color_primaries, context.color_trc) == (1, 1, 1, 13)
        assert (frame.color_range, frame.colorspace) == (1, 1)
    box = Path(movie.path).read_bytes()
    assert b"colrnclx" + bytes([0, 1, 0, 13, 0, 1, 0]) in box
    assert box.index(b"moov") < box.index(b"mdat")


def test_pictures_for_a_display_are_shown_as_they_are(tmp_path: Path) -> None:
    scene = np.clip(frames.scene(SIZE), 0, 1)
    for kind, pixels in (
        ("png", (scene * 255).round().astype(np.uint8)),
        ("png16.png", (scene * 65535).round().astype(np.uint16)),
        ("tif", (scene * 255).round().astype(np.uint8)),
        ("dpx", (scene * 65535).round().astype(np.uint16)),
    ):
        frames.write(tmp_path / f"a.0001.{kind}", pixels)
        movie = movie_of(str(tmp_path / f"a.####.{kind}"), tmp_path / "a.mp4", preset="slow")
        expected = np.clip(np.array(frames.PATCHES), 0, 1) * 255
        assert np.abs(patches_of(movie.path) - expected).max() <= 2, kind
        assert movie.colour == "as the frames are, for an sRGB display"
        assert movie.warnings == []


def test_a_jpeg_is_shown_as_it_is_as_far_as_a_jpeg_can_be(tmp_path: Path) -> None:
    scene = (np.clip(frames.scene(SIZE), 0, 1) * 255).round().astype(np.uint8)
    frames.write(tmp_path / "a.0001.jpg", scene)
    movie = movie_of(str(tmp_path / "a.####.jpg"), tmp_path / "a.mp4", preset="slow")
    expected = np.clip(np.array(frames.PATCHES), 0, 1) * 255
    assert np.abs(patches_of(movie.path) - expected).max() <= 4


def test_a_colour_space_that_is_given_applies_to_any_kind_of_file(tmp_path: Path) -> None:
    scene = (np.clip(frames.scene(SIZE), 0, 1) * 65535).round().astype(np.uint16)
    frames.write(tmp_path / "a.0001.tif", scene)
    movie = movie_of(
        str(tmp_path / "a.####.tif"), tmp_path / "a.mp4", color_space="ACEScct", preset="slow"
    )
    clipped = tuple(tuple(np.clip(one, 0, 1)) for one in frames.PATCHES)
    assert np.abs(patches_of(movie.path) - reference("ACEScct", values=clipped)).max() <= 2


def test_a_display_for_a_display_is_not_applied_and_that_is_said(tmp_path: Path) -> None:
    frames.write(tmp_path / "a.1.png", np.zeros((36, 64, 3), np.uint8))
    movie = movie_of(str(tmp_path / "a.#.png"), tmp_path / "a.mp4", view="Un-tone-mapped")
    assert any("Give color_space" in one for one in movie.warnings)


def test_a_display_of_another_kind_than_the_tags_say_is_warned_of(tmp_path: Path) -> None:
    movie = movie_of(one_frame(tmp_path), tmp_path / "a.mp4", display="Rec.2100-PQ - Display")
    assert any("tagged as Rec. 709" in one for one in movie.warnings)


@pytest.mark.parametrize(
    ("settings", "near"),
    [
        ({"color_space": "ACES cg"}, "color_space: .*'ACEScg'"),
        ({"color_space": "scene_liner"}, "color_space: .*'scene_linear'"),
        ({"display": "sRGB"}, "display: .*'sRGB - Display'"),
        ({"view": "Untonemapped"}, "view: .*'Un-tone-mapped'"),
        ({"color_config": "ocio://cg-config-v9"}, "color_config: .*cg-config-v1"),
    ],
)
def test_an_unknown_name_is_refused_with_those_near_it(
    tmp_path: Path, settings: dict[str, str], near: str
) -> None:
    with pytest.raises(InvalidArgument, match=near):
        movie_of(one_frame(tmp_path), tmp_path / "a.mp4", **settings)
    assert not (tmp_path / "a.mp4").exists()


def test_a_studios_configuration_and_its_file_rules_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = copy.deepcopy(ocio.Config.CreateFromFile("ocio://default"))
    rules = config.getFileRules()
    rules.setColorSpace(0, "Linear Rec.709 (sRGB)")  # of EXR
    config.setFileRules(rules)
    file = tmp_path / "studio.ocio"
    file.write_text(config.serialize())
    pattern = one_frame(tmp_path)

    given = movie_of(pattern, tmp_path / "a.mp4", color_config=str(file))
    monkeypatch.setenv("OCIO", str(file))
    from_environment = movie_of(pattern, tmp_path / "b.mp4")

    assert given.colour.startswith("Linear Rec.709 (sRGB) to ")
    assert from_environment.sha256 == given.sha256


def test_a_configuration_that_is_not_there_or_none_is_said(tmp_path: Path) -> None:
    pattern = one_frame(tmp_path)
    with pytest.raises(FileMissing, match=r"color_config: .*gone\.ocio"):
        movie_of(pattern, tmp_path / "a.mp4", color_config=str(tmp_path / "gone.ocio"))
    (tmp_path / "broken.ocio").write_text("colours: many")
    with pytest.raises(InvalidArgument, match="no OpenColorIO configuration"):
        movie_of(pattern, tmp_path / "a.mp4", color_config=str(tmp_path / "broken.ocio"))
