"""Rendered frames for tests: small, quick to make, and each says which one it is.

A frame holds a grey ramp from left to right, a row of patches whose scene-linear values are
:data:`PATCHES`, and a strip of :data:`BITS` black and white fields that spell its number. The strip
keeps clear of the borders, where burn-ins and a thumbnail's crop are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813 - as its own documentation does

Pixels = npt.NDArray[np.float32]

PATCHES = (
    (0.18, 0.18, 0.18),
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.39, 0.24, 0.18),  # skin, light
    (0.11, 0.06, 0.04),  # skin, dark
    (4.0, 2.0, 1.0),
    (16.0, 16.0, 16.0),
)
"""Scene-linear red, green and blue, from left to right."""

BITS = 12
"""Fields of the strip, the highest bit first. Numbers are taken modulo ``2 ** BITS``."""

_STRIP = (0.25, 0.75, 0.5, 0.65)  # left, right, top, bottom, as fractions of the picture
_PATCHES = (0.1, 0.9, 0.2, 0.4)
_WHITE = 4.0


def exr_frames(
    folder: Path,
    first: int = 1001,
    count: int = 48,
    size: tuple[int, int] = (960, 540),
    name: str = "beauty",
    compression: str = "zips",
) -> str:
    """Write half-float EXR files ``<name>.<number, 4 digits>.exr``.

    Returns:
        Their pattern, with ``####``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixels = scene(size).astype(np.float16)
    for number in range(first, first + count):
        _spell(pixels, number)
        write(folder / f"{name}.{number:04d}.exr", pixels, compression)
    return str(folder / f"{name}.####.exr")


def write(path: Path, pixels: npt.NDArray[np.generic], compression: str = "") -> Path:
    """Write one picture, of ``pixels``' own type, in the format of the path's extension."""
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, str(pixels.dtype).replace("float16", "half"))
    if compression:
        spec.attribute("compression", compression)
    output = oiio.ImageOutput.create(str(path))
    assert output, oiio.geterror()
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    output.close()
    return path


def scene(size: tuple[int, int], number: int = 0) -> Pixels:
    """The scene-linear pixels of one frame: height x width x RGB."""
    width, height = size
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:] = np.linspace(0.0, 1.0, width, dtype=np.float32)[None, :, None]
    for place, value in enumerate(PATCHES):
        pixels[_field(size, _PATCHES, place, len(PATCHES))] = value
    _spell(pixels, number)
    return pixels


def patch(size: tuple[int, int], place: int) -> tuple[slice, slice]:
    """Where a patch is, without its border: rows and columns of a picture of ``size``."""
    rows, columns = _field(size, _PATCHES, place, len(PATCHES))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return (
        slice(rows.start + height // 4, rows.stop - height // 4),
        slice(columns.start + width // 4, columns.stop - width // 4),
    )


def number_shown(picture: npt.NDArray[np.generic], size: tuple[int, int] = (960, 540)) -> int:
    """The number of the frame that a picture shows.

    Args:
        picture: Height x width x channels, whole numbers or floats where white is 1 or more; scaled
            in any way, or cropped in the middle to another shape.
        size: Of the frame as it was written.
    """
    white = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1.0
    grey = np.asarray(picture, np.float64)[..., :3].mean(axis=2) / white
    shown_height, shown_width = grey.shape
    scale = max(shown_width / size[0], shown_height / size[1])
    bits = []
    for place in range(BITS):
        rows, columns = _field(size, _STRIP, place, BITS)
        x = shown_width / 2 + ((columns.start + columns.stop) / 2 - size[0] / 2) * scale
        y = shown_height / 2 + ((rows.start + rows.stop) / 2 - size[1] / 2) * scale
        bits.append(grey[int(y), int(x)] > 0.4)
    return int("".join(str(int(one)) for one in bits), 2)


def _spell(pixels: npt.NDArray[np.generic], number: int) -> None:
    size = (pixels.shape[1], pixels.shape[0])
    for place in range(BITS):
        bit = (number % (1 << BITS)) >> (BITS - 1 - place) & 1
        pixels[_field(size, _STRIP, place, BITS)] = _WHITE * bit


def _field(
    size: tuple[int, int], area: tuple[float, float, float, float], place: int, places: int
) -> tuple[slice, slice]:
    width, height = size
    left, right, top, bottom = area
    step = (right - left) / places
    return (
        slice(int(top * height), int(bottom * height)),
        slice(int((left + place * step) * width), int((left + (place + 1) * step) * width)),
    )
