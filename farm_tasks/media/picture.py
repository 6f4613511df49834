"""One frame's file: what its header says, whether it is whole, and its pixels.

Frames are data from outside: what is read of them is bounded before it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813 - as its own documentation does

from farm_tasks.media.frame_file import (
    DAMAGED,
    NO_PICTURE,
    Unusable,
    bytes_of,
    image_input,
    kind_of,
    opened,
    version,
)

Pixels = npt.NDArray[Any]
"""Height x width x 1 or 3, as the file has them: whole numbers or floats."""

LONGEST_SIDE = 16_384
MOST_PIXELS = 139_264 * 256
"""139,264 macroblocks of 16 x 16: H.264's largest picture (level 6.2, ITU-T H.264 table A-1)."""

MOST_CHANNELS = 1_024
MOST_BYTES = 8 * 1024**3
"""Of all channels, unpacked: what a header may promise before a decoder sets memory aside."""

_OVERSCAN = 2  # times MOST_PIXELS
# The other kinds are found out by reading their last line. These have to be read from the start for
# that, so their end is looked at: PNG's IEND chunk, JPEG's end-of-image marker.
_ENDINGS = {"png": b"IEND\xaeB`\x82", "jpeg": b"\xff\xd9"}
_TAIL = 65_536  # bytes in which the end has to be: some programs append something
_LUMINANCE = ("Y", "L", "I", "A", "Z")
_ALPHA = ("A", "ALPHA")


@dataclass(frozen=True)
class Header:
    """What is known of a frame without its pixels.

    Attributes:
        kind: ``openexr``, ``dpx``, ``tiff``, ``png`` or ``jpeg``.
        width: Of the display window, in pixels.
        height: As ``width``.
        pixel_aspect: Width of a pixel to its height.
        channels: Places of those that are shown: three, or one.
        names: Of those channels.
        others: How many channels there are beside these and alpha.
        floating: Whether they are floats.
        transfer: What a DPX file says of its curve, such as ``KodakLog``; else empty.
        window: Left, top, right and bottom of the pixels that are stored, counted from the upper
            left corner of the display window.
        version: Size in bytes and time of the last change, in ns.
    """

    kind: str
    width: int
    height: int
    pixel_aspect: float
    channels: tuple[int, ...]
    names: tuple[str, ...]
    others: int
    floating: bool
    transfer: str
    window: tuple[int, int, int, int]
    version: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, float]:
        """What all frames of a movie share."""
        return self.width, self.height, self.pixel_aspect


def examine(path: str) -> Header:
    """Look at a frame's header and at its end, which is not there if it was cut off.

    A file that is cut off in the middle, or damaged, with its end in place is found by
    :func:`read` alone.

    Raises:
        Unusable: it is missing, empty, truncated, too large or no picture of a kind known here.
        OutsideRoots: it may not be read here.
    """
    with opened(path) as (name, file):
        kind = kind_of(file)
        before = version(file)
        with image_input(name) as picture:
            header = _header(picture, kind, before)
            if kind in _ENDINGS:
                _check_ending(file, kind)
            else:
                _check_last_line(picture)
        if version(file) != before:
            raise Unusable("being written")
        return header


def read(path: str, header: Header) -> Pixels:
    """The pixels of a frame's data window.

    Raises:
        Unusable: they cannot be read, or the file is another one than :func:`examine` saw.
        OutsideRoots: it may not be read here.
    """
    with opened(path) as (name, file):
        if version(file) != header.version:
            raise Unusable("being written")
        with image_input(name) as picture:
            if _header(picture, header.kind, header.version) != header:
                raise Unusable("being written")
            planes = [_channels(picture, first, end) for first, end in _spans(header.channels)]
            if picture.geterror():
                raise Unusable(DAMAGED)
        if version(file) != header.version:
            raise Unusable("being written")
    pixels: Pixels = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
    return pixels


def _channels(picture: Any, first: int, end: int) -> Pixels:
    pixels: Pixels | None = picture.read_image(0, 0, first, end, oiio.UNKNOWN)
    if pixels is None:
        picture.geterror()
        raise Unusable(DAMAGED)
    return pixels.reshape(pixels.shape[0], pixels.shape[1], end - first)


def _spans(channels: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and end of what to read: at once where the channels stand side by side."""
    first = channels[0]
    if channels == tuple(range(first, first + len(channels))):
        return [(first, first + len(channels))]
    return [(one, one + 1) for one in channels]


def _header(picture: Any, kind: str, version: tuple[int, int]) -> Header:
    if picture.format_name() != kind:
        raise Unusable(NO_PICTURE)
    spec = picture.spec()
    _check_bounds(spec)
    channels = _shown(tuple(spec.channelnames))
    aspect = spec.get_float_attribute("PixelAspectRatio", 1.0)
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    return Header(
        kind,
        spec.full_width,
        spec.full_height,
        round(aspect, 4) if math.isfinite(aspect) and 0.1 <= aspect <= 10 else 1.0,
        channels,
        tuple(spec.channelnames[one] for one in channels),
        sum(
            place not in channels and name.upper() not in _ALPHA
            for place, name in enumerate(spec.channelnames)
        ),
        str(spec.format) in {"half", "float", "double"},
        spec.get_string_attribute("oiio:ColorSpace") if kind == "dpx" else "",
        (left, top, left + spec.width, top + spec.height),
        version,
    )


def _check_bounds(spec: Any) -> None:
    sides = (spec.full_width, spec.full_height)
    stored = spec.width * spec.height
    if spec.deep:
        raise Unusable("deep, and has no colour to show")
    if min(*sides, spec.width, spec.height) < 1 or spec.nchannels < 1 or spec.depth > 1:
        raise Unusable(DAMAGED)
    if max(sides) > LONGEST_SIDE or sides[0] * sides[1] > MOST_PIXELS:
        raise Unusable(f"larger than H.264 takes ({LONGEST_SIDE} a side, {MOST_PIXELS:,} pixels)")
    if (
        stored > _OVERSCAN * MOST_PIXELS
        or spec.nchannels > MOST_CHANNELS
        or stored * spec.nchannels * spec.format.size() > MOST_BYTES
    ):
        raise Unusable(
            f"too large beyond the picture ({_OVERSCAN * MOST_PIXELS:,} pixels, {MOST_CHANNELS:,} "
            f"channels and {MOST_BYTES:,} bytes are taken)"
        )


def _shown(names: tuple[str, ...]) -> tuple[int, ...]:
    """The places of red, green and blue; without them, of what is shown as grey.

    Those that belong to no layer go first, then those of the first layer that has all three.
    """
    places = {name.upper(): place for place, name in reversed(list(enumerate(names)))}
    layers = ["", *dict.fromkeys(name.upper().rpartition(".")[0] + "." for name in names)]
    for layer in layers:
        for red, green, blue in (("R", "G", "B"), ("RED", "GREEN", "BLUE")):
            wanted = (layer + red, layer + green, layer + blue)
            if all(one in places for one in wanted):
                return tuple(places[one] for one in wanted)
    for name in _LUMINANCE:
        if name in places:
            return (places[name],)
    return (0,)


def _check_ending(file: int, kind: str) -> None:
    size = version(file)[0]
    if _ENDINGS[kind] not in bytes_of(file, max(size - _TAIL, 0), _TAIL):
        raise Unusable(DAMAGED)


def _check_last_line(picture: Any) -> None:
    """Read the last line, or tile, of the first and the last part: without it, it was cut off."""
    if not _reads_last_line(picture, 0):
        raise Unusable(DAMAGED)
    last = 0
    while picture.seek_subimage(last + 1, 0) and last < MOST_CHANNELS:
        last += 1
    picture.geterror()
    if last and not _reads_last_line(picture, last):
        raise Unusable(DAMAGED)
    picture.seek_subimage(0, 0)


def _reads_last_line(picture: Any, part: int) -> bool:
    picture.seek_subimage(part, 0)
    spec = picture.spec()
    if spec.deep:
        return True
    right, bottom = spec.x + spec.width, spec.y + spec.height
    if spec.tile_width:
        left = right - ((spec.width - 1) % spec.tile_width + 1)
        top = bottom - ((spec.height - 1) % spec.tile_height + 1)
        line = picture.read_tiles(part, 0, left, right, top, bottom, 0, 1, 0, 1, oiio.UNKNOWN)
    else:
        line = picture.read_scanlines(part, 0, bottom - 1, bottom, 0, 0, 1, oiio.UNKNOWN)
    return line is not None and not picture.geterror()
