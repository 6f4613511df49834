"""What is drawn can be read on any picture of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from farm_tasks.errors import InvalidArgument
from farm_tasks.media import Encoding
from farm_tasks.media.drawing import Drawing
from tests.media.shown import movie_of, pictures
from tests.support import frames

LABELS = {"shot": "SQ01/SH010", "artist": "Ada", "date": "2031-05-04"}
ALL = ("shot", "artist", "date", "frame")


def over(picture: float, size: tuple[int, int], encoding: Encoding) -> npt.NDArray[np.float32]:
    """A plain picture with what is drawn over it."""
    rgb = np.full((size[1], size[0], 3), picture, np.float32)
    for overlay in Drawing(*size, encoding, LABELS).overlays("1001"):
        overlay.blend(rgb, 0)
    return rgb


@pytest.mark.parametrize("size", [(320, 180), (1920, 1080), (180, 320), (128, 72)])
@pytest.mark.parametrize("picture", [0.0, 0.5, 1.0, 30.0])
def test_texts_contrast_with_bright_and_dark(size: tuple[int, int], picture: float) -> None:
    rgb = over(picture, size, Encoding(burn_in=ALL))
    corner = rgb[: size[1] // 4, : size[0] // 2]
    around = corner.min() if picture else 0.0
    assert corner.max() - around >= 0.55


def test_texts_scale_with_the_picture() -> None:
    def share(size: tuple[int, int]) -> float:
        drawn = over(1.0, size, Encoding(burn_in=("shot",))).min(axis=2) < 1
        return float(drawn.any(axis=1).mean())

    assert share((1920, 1080)) == pytest.approx(share((480, 270)), rel=0.15)
    assert 0.03 < share((960, 540)) < 0.06


def test_each_text_has_a_corner_of_its_own() -> None:
    seen = np.zeros((540, 960), int)
    for name in ALL:
        seen += over(1.0, (960, 540), Encoding(burn_in=(name,))).min(axis=2) < 1
    assert seen.max() == 1
    for rows in (slice(0, 60), slice(480, 540)):
        assert seen[rows].any()


def test_a_part_of_a_picture_gets_its_part_of_what_is_drawn() -> None:
    overlays = Drawing(320, 180, Encoding(burn_in=ALL), LABELS).overlays("7")
    whole, parts = (np.full((180, 320, 3), 0.5, np.float32) for _ in range(2))
    for overlay in overlays:
        overlay.blend(whole, 0)
        for top in range(0, 180, 16):
            overlay.blend(parts[top : top + 16], top)
    assert np.array_equal(whole, parts)


def test_a_long_text_ends_in_the_picture() -> None:
    rgb = np.ones((90, 160, 3), np.float32)
    labels = dict.fromkeys(ALL, "x" * 100_000)
    drawing = Drawing(160, 90, Encoding(burn_in=ALL, slate=True), labels)
    for overlay in drawing.overlays("-123456789"):
        assert overlay.left + overlay.colour.shape[1] <= 160
        overlay.blend(rgb, 0)
    assert drawing.slate(labels).shape == (90, 160, 3)


def test_letters_that_the_font_lacks_lose_their_accents_or_are_said() -> None:
    drawing = Drawing(320, 180, Encoding(burn_in=("artist",)), {"artist": "Zoé Müller"})
    assert drawing.warnings == []
    drawing = Drawing(320, 180, Encoding(burn_in=("artist",)), {"artist": "宮崎\n\u202e"})
    assert len(drawing.warnings) == 1
    assert "'??" in drawing.warnings[0]


def test_a_font_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"no font")
    with pytest.raises(InvalidArgument, match="font: "):
        Drawing(320, 180, Encoding(burn_in=("shot",), font=str(tmp_path / "a.ttf")), LABELS)


def test_a_logo_is_in_the_upper_right_corner_with_its_transparency(tmp_path: Path) -> None:
    logo = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    logo.paste((0, 255, 0, 255), (100, 0, 200, 100))
    logo.save(tmp_path / "logo.png")
    rgb = over(0.5, (320, 180), Encoding(logo=str(tmp_path / "logo.png")))
    green = (rgb[..., 1] > 0.9) & (rgb[..., 0] < 0.1)
    rows, columns = np.nonzero(green)
    assert columns.min() > 280
    assert rows.max() < 180 * 0.2
    assert (rgb[~green][:, 0] <= 0.51).all()


@pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a" + bytes(40)])
def test_a_logo_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logo.png").write_bytes(content)
    with pytest.raises(InvalidArgument, match="logo"):
        over(0.5, (32, 18), Encoding(logo=str(tmp_path / "logo.png")))
    with pytest.raises(InvalidArgument, match="missing"):
        over(0.5, (32, 18), Encoding(logo=str(tmp_path / "gone.png")))


def test_a_slate_is_one_frame_before_the_first(tmp_path: Path) -> None:
    pattern = frames.exr_frames(tmp_path, 5, 3, (320, 180))
    movie = movie_of(pattern, tmp_path / "a.mp4", labels=LABELS, slate=True, burn_in=("frame",))
    shown = [np.clip(one, 0, 255).astype(np.uint8) for one in pictures(movie.path)]
    assert movie.frames == len(shown) == 4
    assert [frames.number_shown(one, (320, 180)) for one in shown[1:]] == [5, 6, 7]
    assert 15 < np.median(shown[0]) < 25
    assert shown[0].max() > 200
