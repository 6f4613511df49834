"""A movie that was made is looked at before anyone gets it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av

from farm_tasks.errors import EncodingFailed


def check_movie(
    path: str,
    frames: int,
    rate: Fraction,
    width: int,
    height: int,
    on_frame: Callable[[], object] | None = None,
) -> None:
    """Decode a movie and compare it with what it should be.

    Args:
        path: Of the movie.
        frames: How many it must have.
        rate: Frames per second that it must say.
        width: In pixels.
        height: In pixels.
        on_frame: Called after every frame. What it raises ends the work.

    Raises:
        EncodingFailed: it is another one.
        av.FFmpegError: it cannot be read.
    """
    with av.open(path, "r", format="mp4") as movie:
        video = movie.streams.video[0]
        counted = 0
        for _ in movie.decode(video):
            counted += 1
            if on_frame is not None:
                on_frame()
        found = {
            "frames": counted,
            "frames a second": video.average_rate,
            "width": video.width,
            "height": video.height,
        }
    wanted = {"frames": frames, "frames a second": rate, "width": width, "height": height}
    wrong = [f"{found[one]} {one} for {wanted[one]}" for one in wanted if found[one] != wanted[one]]
    if wrong:
        raise EncodingFailed(f"The movie was encoded wrong: {', '.join(wrong)}. It was removed.")
