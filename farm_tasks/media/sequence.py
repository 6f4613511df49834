"""Which frames a movie is of, and whether they can be used."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fileseq.constants import PAD_STYLE_HASH1
from fileseq.exceptions import FileSeqException
from fileseq.filesequence import FileSequence
from fileseq.frameset import FrameSet

from farm_tasks.confinement import current
from farm_tasks.errors import BadFrames, FileMissing, FileUnreadable, InvalidArgument
from farm_tasks.frame_number import FRAME_NUMBER
from farm_tasks.media.frame_file import Unusable
from farm_tasks.media.picture import Header, examine

POLICIES = ("fail", "hold", "warn")
"""What becomes of frames that cannot be used: an error, the last good frame instead, or a black one
that says what is wrong."""

MOST_FRAMES = 100_000
"""More than an hour of a movie, and little enough to look at each."""

_RANGES_NAMED = 30
_SPAN = re.compile(r"(-?\d+)-(-?\d+)(?:x(\d+))?")
_RANGE = re.compile(r"(?:(?:^|,)-?\d{1,9}(?:--?\d{1,9}(?:[xy:][1-9]\d{0,5})?)?)+")
_NUMBER = rf"(?<![#@])(?:{FRAME_NUMBER.pattern})"
_NAMED = re.compile(rf"(?P<before>.*)(?P<padding>{_NUMBER})(?P<after>\..*|)", re.S)


@dataclass(frozen=True)
class Frame:
    """One frame of a sequence.

    Attributes:
        number: Of the frame.
        path: Of its file.
        header: What its header says. None if it cannot be used.
        problem: What is wrong with it, such as ``missing``. None if nothing is known to be.
    """

    number: int
    path: str
    header: Header | None = None
    problem: str | None = None


@dataclass(frozen=True)
class FrameSequence:
    """Frames in the order of their numbers, and at least one of them good.

    Attributes:
        pattern: As it was given.
        frames: All of them, those that cannot be used included.
        missing: One of :data:`POLICIES`.
        width: Of the picture, in pixels: of most of the good frames.
        height: As ``width``.
        pixel_aspect: Width of a pixel to its height.
    """

    pattern: str
    frames: tuple[Frame, ...]
    missing: str
    width: int
    height: int
    pixel_aspect: float = 1.0

    @property
    def frame_range(self) -> str:
        """Its numbers, compact: ``1001-1100``."""
        return compact(frame.number for frame in self.frames)

    @property
    def first_good(self) -> tuple[str, Header]:
        """Path and header of the first frame that can be used."""
        return next((frame.path, frame.header) for frame in self.frames if frame.header)


def find_frames(
    pattern: str,
    frame_range: str | None = None,
    missing: str = "fail",
    on_look: Callable[[int, int], object] | None = None,
) -> FrameSequence:
    """Find the frames of ``pattern`` and look at the header and the end of each.

    Under a :class:`~farm_tasks.confinement.Confinement` all of it happens within the read roots.

    Args:
        pattern: A path with the frame number as ``####``, ``@@@@``, ``%04d`` or ``$F4``.
        frame_range: ``1001-1100``, ``1-100x5``, ``1-10,20``; negative numbers too. None: from the
            first to the last on disk, in steps if all of them are equally far apart.
        missing: One of :data:`POLICIES`: what becomes of frames that are missing, empty, truncated,
            damaged or of another size than most.
        on_look: Called after every frame that was looked at with ``(done, total)``. What it raises
            ends the search.

    Raises:
        InvalidArgument: the pattern, the range or the policy is none.
        FileMissing: there is no frame at all.
        BadFrames: some cannot be used and the policy is ``fail``, or none can be.
        OutsideRoots, FileUnreadable: the folder, or a frame, is not to be read here.
    """
    if missing not in POLICIES:
        raise InvalidArgument(f"missing_frames: {missing!r} is not one of {', '.join(POLICIES)}.")
    named = _parse(pattern)
    numbers = _numbers(named, frame_range)
    looked = []
    for number in numbers:
        looked.append(_look(number, str(named.frame(number))))
        if on_look is not None:
            on_look(len(looked), len(numbers))
    frames = _agreeing(looked)
    if all(frame.problem == "missing" for frame in frames):
        raise FileMissing(f"{pattern}: none of the frames {compact(numbers)} is there.")
    problems = {frame.number: frame.problem for frame in frames if frame.problem}
    good = next((frame.header for frame in frames if frame.header), None)
    if good is None or (problems and missing == "fail"):
        raise bad_frames(pattern, problems, len(frames))
    return FrameSequence(
        pattern, tuple(frames), missing, good.width, good.height, good.pixel_aspect
    )


def compact(numbers: Iterable[int]) -> str:
    """Frame numbers as people write them: ``1004-1006, 1010``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    named = [str(a) if a == b else f"{a}-{b}" for a, b in spans[:_RANGES_NAMED]]
    if len(spans) > _RANGES_NAMED:
        named.append(f"and {len(spans) - _RANGES_NAMED} more")
    return ", ".join(named)


def bad_frames(pattern: str, problems: Mapping[int, str], total: int) -> BadFrames:
    """The error that names the ``problems`` of some frames out of ``total``."""
    return BadFrames(
        f"{pattern}: {_report(problems, total)}. Render them again, or let missing_frames be "
        "'hold' (the last good frame instead) or 'warn' (a black one that says so).",
        {problem: compact(numbers) for problem, numbers in by_problem(problems).items()},
    )


def by_problem(problems: Mapping[int, str]) -> dict[str, list[int]]:
    """The numbers that have each problem."""
    grouped: dict[str, list[int]] = {}
    for number, problem in sorted(problems.items()):
        grouped.setdefault(problem, []).append(number)
    return grouped


def _report(problems: Mapping[int, str], total: int) -> str:
    groups = by_problem(problems)
    named = [f"{problem}: {compact(numbers)}" for problem, numbers in list(groups.items())[:8]]
    return f"{len(problems)} of {total} frames cannot be used ({'; '.join(named)})"


def _parse(pattern: str) -> FileSequence:
    if not isinstance(pattern, str) or not pattern.strip() or "\0" in pattern:
        raise InvalidArgument("frames: give the path of a sequence, such as /proj/beauty.####.exr.")
    folder, name = os.path.split(pattern)
    # Not by fileseq's grammar, in which the digits before the padding are frames: what it makes of
    # beauty2####.exr is frame 2 of beauty.
    found = _NAMED.fullmatch(name)
    if found is None or not found["after"]:
        raise InvalidArgument(
            f"frames: {pattern} has no place for the frame number before its extension: "
            "write it as ####, @@@@, %04d or $F4."
        )
    if re.search(rf"(?:{_NUMBER})\.$", found["before"]):
        raise InvalidArgument(f"frames: {pattern} has subframes: a movie takes whole frames.")
    try:
        named = FileSequence(f"x.{found['padding']}.x", pad_style=PAD_STYLE_HASH1)
    except (FileSeqException, ValueError) as error:
        raise InvalidArgument(f"frames: {pattern} is no sequence ({error}).") from None
    named.setDirname(os.path.join(folder, "") if folder else "")
    named.setBasename(found["before"])
    named.setExtension(found["after"])
    return named


def _numbers(named: FileSequence, frame_range: str | None) -> list[int]:
    return list(_filled(_on_disk(named))) if frame_range is None else _in_range(frame_range)


def _in_range(frame_range: str) -> list[int]:
    hint = "give 1001-1100, 1-100x5 or 1-10,20"
    text = frame_range.replace(" ", "") if isinstance(frame_range, str) else ""
    # fileseq takes much more, and lists all of it first.
    if not _RANGE.fullmatch(text):
        raise InvalidArgument(f"frame_range: {str(frame_range)[:40]!r} is no range: {hint}.")
    spans = _SPAN.findall(text)
    if sum(abs(int(b) - int(a)) // max(int(step or 1), 1) for a, b, step in spans) > MOST_FRAMES:
        raise InvalidArgument(f"frame_range: {text[:40]} has more than {MOST_FRAMES:,}.")
    try:
        frames = FrameSet(text)
    except (FileSeqException, ValueError):
        raise InvalidArgument(f"frame_range: {text[:40]!r} is no range: {hint}.") from None
    return sorted(int(number) for number in frames)


def _on_disk(named: FileSequence) -> list[int]:
    """The numbers of the files that carry the sequence's name."""
    folder = named.dirname() or "."
    before, after = named.basename(), named.extension()
    found = []
    for name in _names(folder):
        digits = name[len(before) : len(name) - len(after)]
        if not re.fullmatch(r"-?\d{1,9}", digits):
            continue
        if os.path.basename(str(named.frame(int(digits)))) == name:
            found.append(int(digits))
    if not found:
        raise FileMissing(
            f"{named.dirname()}{before}{named.padding()}{after}: no such frame is there."
        )
    if len(found) > MOST_FRAMES:
        raise InvalidArgument(f"frames: more than {MOST_FRAMES:,} are there: give a frame_range.")
    return sorted(found)


def _names(folder: str) -> list[str]:
    confined = current()
    if confined is not None:
        return confined.names(folder)
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        raise FileMissing(f"{folder} does not exist on this machine.") from None
    except OSError as error:
        raise FileUnreadable(f"{folder}: {error.strerror or error}") from error


def _filled(found: list[int]) -> Iterable[int]:
    """From the first to the last; what was rendered in steps has no holes between them."""
    steps = {b - a for a, b in itertools.pairwise(found)}
    step = steps.pop() if len(steps) == 1 and len(found) > 2 else 1
    if (found[-1] - found[0]) // step > MOST_FRAMES:
        raise InvalidArgument(
            f"frames: {found[0]}-{found[-1]} is more than {MOST_FRAMES:,}: give a frame_range."
        )
    return range(found[0], found[-1] + 1, step)


def _look(number: int, path: str) -> Frame:
    try:
        return Frame(number, path, examine(path))
    except Unusable as error:
        return Frame(number, path, None, str(error))


def _agreeing(frames: list[Frame]) -> list[Frame]:
    """The frames, those of another shape than most as a problem."""
    shapes = Counter(frame.header.shape for frame in frames if frame.header)
    if len(shapes) < 2:
        return frames
    usual = shapes.most_common(1)[0][0]  # the first of those that are as many

    def checked() -> Iterator[Frame]:
        for frame in frames:
            if frame.header is None or frame.header.shape == usual:
                yield frame
            else:
                problem = f"{_size(frame.header.shape)} and not {_size(usual)}"
                yield replace(frame, header=None, problem=problem)

    return list(checked())


def _size(shape: tuple[int, int, float]) -> str:
    width, height, aspect = shape
    return f"{width}x{height}" + ("" if aspect == 1 else f" with pixels of {aspect:g}")
