"""Frames in, a movie out: read, coloured and drawn one ahead of the one that is encoded."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict, dataclass
from typing import Any

import av
import OpenImageIO as oiio  # noqa: N813 - as its own documentation does

from farm_tasks.confinement import current
from farm_tasks.errors import DiskFull, EncodingFailed, FarmTasksError
from farm_tasks.media.colour import DisplayTransform
from farm_tasks.media.encoder import Encoder
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.probe import check_movie
from farm_tasks.media.sequence import FrameSequence
from farm_tasks.media.shown import ShownFrames
from farm_tasks.transfer.partial_file import PartialFile


@dataclass(frozen=True)
class Movie:
    """A movie that was made, and looked at afterwards.

    Attributes:
        path: Where it is.
        frames: How many it has: those of the sequence, and one more with a slate.
        fps: Frames per second, exact: ``24000/1001`` or ``24/1``.
        width: In pixels; even.
        height: As ``width``.
        size: Bytes.
        sha256: Of its content, in hex.
        colour: From which colour space to which display and view.
        warnings: What a person should know: frames that stand for others, and what was assumed.
    """

    path: str
    frames: int
    fps: str
    width: int
    height: int
    size: int
    sha256: str
    colour: str
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def make_movie(
    sequence: FrameSequence,
    movie_path: str,
    encoding: Encoding,
    labels: Mapping[str, str] | None = None,
    on_frame: Callable[[int, int], object] | None = None,
    own_folder: bool = False,
) -> Movie:
    """Encode a sequence. The movie appears at ``movie_path`` whole, or not at all.

    Under a :class:`~farm_tasks.confinement.Confinement` frames are read within its read roots and
    the movie is written within its write roots. The same frames, settings and labels make the same
    bytes, so a caller who tries again gives the same date.

    Args:
        sequence: From :func:`~farm_tasks.media.sequence.find_frames`.
        movie_path: The file to write; one that is there is replaced.
        encoding: How.
        labels: Texts for the burn-ins and, all of them in this order, for the slate.
        on_frame: Called in this thread after every frame with ``(done, total)``, and again while
            the movie is looked at, with ``done`` as large as ``total``. What it raises ends the
            work.
        own_folder: ``movie_path`` is in a folder that this process made for itself: no confinement
            applies to it.

    Raises:
        BadFrames: a frame cannot be used, found only when its pixels were read, and the sequence's
            policy is ``fail``.
        InvalidArgument: the colours asked for do not exist, or the logo is none.
        EncodingFailed: the movie is not what it should be.
        DiskFull, FileUnreadable, OutsideRoots: it cannot be written.
        NotFound: the configuration or the logo does not exist.
    """
    confined = current()
    tag, sweep = (confined.tag, confined.sweep) if confined and not own_folder else (None, False)
    # One pool for the whole process, as large as the last caller says.
    oiio.attribute("threads", encoding.threads)
    oiio.attribute("exr_threads", encoding.threads)
    transform = DisplayTransform(encoding, *sequence.first_good)
    with (
        PartialFile(os.path.abspath(movie_path), tag, sweep, own_folder) as partial,
        ThreadPoolExecutor(encoding.threads, "media") as pool,
    ):
        shown = ShownFrames(sequence, encoding, labels or {}, transform, pool)
        width, height = shown.size
        try:
            with Encoder(
                str(partial.path), width, height, sequence.pixel_aspect, encoding
            ) as encoder:
                _encode(shown, encoder, on_frame)
            total = len(shown)
            heard = None if on_frame is None else lambda: on_frame(total, total)
            check_movie(str(partial.path), total, encoding.rate, width, height, heard)
        except av.FFmpegError as error:
            raise _failed(movie_path, error) from error
        with open(partial.path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = partial.commit()
    rate = encoding.rate
    return Movie(
        str(partial.target),
        len(shown),
        f"{rate.numerator}/{rate.denominator}",
        width,
        height,
        size,
        sha256,
        transform.name,
        shown.warnings(),
    )


def _encode(
    shown: ShownFrames, encoder: Encoder, on_frame: Callable[[int, int], object] | None
) -> None:
    total = len(shown)
    with ThreadPoolExecutor(1, "media-ahead") as ahead:
        coming = ahead.submit(copy_context().run, shown.planes, 0)
        for index in range(total):
            planes = coming.result()
            if index + 1 < total:
                coming = ahead.submit(copy_context().run, shown.planes, index + 1)
            encoder.write(planes)
            if on_frame is not None:
                on_frame(index + 1, total)


def _failed(movie_path: str, error: av.FFmpegError) -> FarmTasksError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(f"{movie_path}: {error.strerror}. Make room, then retry.")
    return EncodingFailed(f"{movie_path} could not be encoded: {str(error)[:300]}.")
