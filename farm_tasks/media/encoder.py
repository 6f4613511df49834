"""H.264 in MP4, as the Academy Software Foundation's encoding guidelines have it for review.

https://academysoftwarefoundation.github.io/EncodingGuidelines/Encodeh264.html: yuv420p, crf 18,
preset slow, faststart, and tags that say what the pixels are: Rec. 709 matrix and primaries,
limited range, the sRGB curve.
"""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream

from farm_tasks.media.encoding import Encoding
from farm_tasks.media.planes import Planes

BT709 = 1
"""Primaries and matrix, ITU-T H.273 tables 2 and 4."""

SRGB = 13
"""IEC 61966-2-1, ITU-T H.273 table 3."""

LIMITED_RANGE = 1
"""``AVCOL_RANGE_MPEG``: black is 16, white 235."""

AUDIO_RATE = 48_000
_FINER_CHROMA = -4
"""Added to the quantiser of chroma. Without it plain patches of saturated blue are off by 2.3 of
255 at crf 18, with it all are within 2."""

_LOOKAHEAD_BYTES = 512 * 1024**2
"""Of pictures that x264 keeps to look ahead. Its presets' 40 and 50 are less up to 4K."""

_AUDIO_FRAME = 1_024  # samples of AAC


class Encoder:
    """One movie, as a context; leaving it without an error completes the file.

    Args:
        path: To write, with whatever ending.
        width: Of the pictures, even.
        height: As ``width``.
        pixel_aspect: Width of a pixel to its height.
        encoding: How.

    Raises:
        av.FFmpegError: the file cannot be written, or the encoder does not take this.
    """

    def __init__(
        self, path: str, width: int, height: int, pixel_aspect: float, encoding: Encoding
    ) -> None:
        self._rate = encoding.rate
        # Bit-exact: no version and no time in the file, so that equal frames make equal movies.
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._container = av.open(path, "w", format="mp4", options=options)
        self._video = self._container.add_stream(
            "libx264",
            rate=encoding.rate,
            options={
                "preset": encoding.preset,
                "crf": str(encoding.crf),
                "x264-params": f"chroma-qp-offset={_FINER_CHROMA}{_lookahead(width * height)}",
            },
        )
        context = self._video.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = 1 / encoding.rate
        context.gop_size = encoding.group_of_pictures
        context.thread_count = encoding.threads
        context.color_range, context.colorspace = LIMITED_RANGE, BT709
        context.color_primaries, context.color_trc = BT709, SRGB
        if pixel_aspect != 1:
            context.sample_aspect_ratio = Fraction(pixel_aspect).limit_denominator(1000)
        self._audio: AudioStream | None = None
        if encoding.silent_audio:
            self._audio = self._container.add_stream("aac", rate=AUDIO_RATE, layout="stereo")
        self._frames = 0
        self._samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._silence(_AUDIO_FRAME - 1)
                for stream in (self._video, self._audio):
                    if stream is not None:
                        self._container.mux(stream.encode(None))
        finally:
            self._container.close()

    def write(self, planes: Planes) -> None:
        """Add a picture.

        Raises:
            av.FFmpegError: it cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(planes.data, format="yuv420p")
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        self._container.mux(self._video.encode(frame))
        self._frames += 1
        self._silence(0)

    def _silence(self, beyond: int) -> None:
        """Bring the sound up to the picture, in AAC's frames; a last one may be shorter."""
        if self._audio is None:
            return
        end = round(self._frames / self._rate * AUDIO_RATE)
        while self._samples + _AUDIO_FRAME <= end + beyond and self._samples < end:
            count = min(_AUDIO_FRAME, end - self._samples)
            frame = av.AudioFrame.from_ndarray(
                np.zeros((2, count), np.float32), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = AUDIO_RATE, self._samples
            frame.time_base = Fraction(1, AUDIO_RATE)
            self._container.mux(self._audio.encode(frame))
            self._samples += count


def _lookahead(pixels: int) -> str:
    """x264's parameter for pictures that are so large that the preset's would take gigabytes."""
    pictures = _LOOKAHEAD_BYTES * 2 // (pixels * 3)
    return f":rc-lookahead={max(pictures, 10)}" if pictures < 40 else ""
