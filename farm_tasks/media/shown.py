"""The pictures of a movie, one for every frame of the sequence whether it can be used or not."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from concurrent.futures import Executor

import numpy as np

from farm_tasks.media.colour import DisplayTransform
from farm_tasks.media.drawing import Drawing, Overlay
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.frame_file import Unusable
from farm_tasks.media.picture import Header, Pixels, read
from farm_tasks.media.planes import RGB, Planes, even
from farm_tasks.media.sequence import Frame, FrameSequence, bad_frames, by_problem, compact
from farm_tasks.plain_text import plain

_ROWS = 64
"""Rows that are converted at once: an even number, and little enough for a CPU's cache."""


class ShownFrames:
    """What is seen in the movie, by its own numbers from 0 on; with a slate that is the first.

    Args:
        sequence: The frames.
        encoding: What is drawn over them.
        labels: What is drawn.
        transform: What is done to their colour.
        pool: Threads for the work on parts of a picture.

    Attributes:
        size: Width and height of the pictures, both even.

    Raises:
        InvalidArgument: the logo is none.
    """

    def __init__(
        self,
        sequence: FrameSequence,
        encoding: Encoding,
        labels: Mapping[str, str],
        transform: DisplayTransform,
        pool: Executor,
    ) -> None:
        self._sequence = sequence
        self._slate = encoding.slate
        self._transform = transform
        self._pool = pool
        self._problems = {one.number: one.problem for one in sequence.frames if one.problem}
        self._good = [one for one in sequence.frames if not one.problem]
        self.size = even(sequence.width), even(sequence.height)
        self._drawing = Drawing(sequence.width, sequence.height, encoding, labels)
        self._labels = {
            **{name: text for name, text in labels.items() if text},
            "frames": sequence.frame_range,
            "fps": str(encoding.rate),
            "size": f"{sequence.width}x{sequence.height}",
            "colour": transform.name,
        }

    def __len__(self) -> int:
        return len(self._sequence.frames) + self._slate

    def planes(self, index: int) -> Planes:
        """One picture.

        Raises:
            BadFrames: it cannot be used and the policy is ``fail``, or none is left to hold.
        """
        if self._slate and index == 0:
            return self._card(self._drawing.slate(self._labels), [])
        place = index - self._slate
        number = self._sequence.frames[place].number
        while True:
            source = self._source(place)
            if source is None or source.header is None:
                notice = self._drawing.notice(f"frame {number} is {self._problems[number]}")
                return self._card(notice, self._drawing.overlays(str(number)))
            try:
                pixels = read(source.path, source.header)
            except Unusable as error:
                self._note(source.number, str(error))
                continue
            text = str(number) if source.number == number else f"{number} (held {source.number})"
            return self._coloured(pixels, source.header, self._drawing.overlays(text))

    def warnings(self) -> list[str]:
        """What a person should know of the movie, once all pictures were asked for."""
        said = [*self._transform.warnings, *self._drawing.warnings]
        said += _shape_warnings(self._sequence)
        said += _channel_warnings(self._sequence.first_good[1])
        instead = {
            "hold": "the good frame before it, or else the first good one, is shown instead",
            "warn": "a black frame that says so is shown instead",
        }.get(self._sequence.missing, "")
        for problem, numbers in by_problem(self._problems).items():
            said.append(f"Frames {compact(numbers)}: {problem}; {instead}.")
        return said

    def _source(self, place: int) -> Frame | None:
        """The frame that is shown at ``place``; None for a black one."""
        number = self._sequence.frames[place].number
        after = self._good_from(number)
        if after < len(self._good) and self._good[after].number == number:
            return self._good[after]
        if self._sequence.missing != "hold":
            return None
        return self._good[max(after - 1, 0)]

    def _good_from(self, number: int) -> int:
        """Where among the good frames those from ``number`` on begin."""
        return bisect.bisect_left(self._good, number, key=lambda one: one.number)

    def _note(self, number: int, problem: str) -> None:
        self._problems[number] = problem
        del self._good[self._good_from(number)]
        total = len(self._sequence.frames)
        if self._sequence.missing == "fail" or not self._good:
            raise bad_frames(self._sequence.pattern, self._problems, total)

    def _coloured(self, pixels: Pixels, header: Header, overlays: list[Overlay]) -> Planes:
        planes = Planes(header.width, header.height)

        def convert(top: int) -> None:
            rgb = _rows(pixels, header, top, min(top + _ROWS, header.height))
            self._transform.apply(rgb)
            for overlay in overlays:
                overlay.blend(rgb, top)
            planes.put(top, rgb)

        for _ in self._pool.map(convert, range(0, header.height, _ROWS)):
            pass  # what went wrong in a thread is raised here
        return planes

    def _card(self, rgb: RGB, overlays: list[Overlay]) -> Planes:
        planes = Planes(self._sequence.width, self._sequence.height)
        for overlay in overlays:
            overlay.blend(rgb, 0)
        planes.put(0, rgb)
        return planes


def _rows(pixels: Pixels, header: Header, top: int, bottom: int) -> RGB:
    """Rows of the display window as floats: black where the data window has nothing."""
    rgb = np.zeros((bottom - top, header.width, 3), np.float32)
    left, first, right, end = header.window
    first_row, last_row = max(top, first), min(bottom, end)
    first_column, last_column = max(left, 0), min(right, header.width)
    if first_row >= last_row or first_column >= last_column:
        return rgb
    part = pixels[first_row - first : last_row - first, first_column - left : last_column - left]
    inner = rgb[first_row - top : last_row - top, first_column:last_column]
    with np.errstate(all="ignore"):  # what a float of 32 bits cannot hold becomes infinite
        inner[:] = part
    if part.dtype.kind in "iu":
        inner /= np.iinfo(part.dtype).max
    return rgb


def _shape_warnings(sequence: FrameSequence) -> list[str]:
    said = []
    if sequence.width % 2 or sequence.height % 2:
        said.append(
            f"The frames are {sequence.width}x{sequence.height}: the last column or row "
            "is doubled, because H.264 takes even sizes."
        )
    if sequence.pixel_aspect != 1:
        said.append(
            f"Pixels are {sequence.pixel_aspect:g} times as wide as high: the movie says so, and "
            "not every viewer heeds it."
        )
    return said


def _channel_warnings(header: Header) -> list[str]:
    usual = {"R", "G", "B", "Y", "RED", "GREEN", "BLUE", "L"}
    if not header.others and all(name.upper() in usual for name in header.names):
        return []
    names = plain(", ".join(header.names))
    return [f"Shown are the channels {names}; {header.others} others are not."]
