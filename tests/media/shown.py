"""What is seen in a movie."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from farm_tasks.media import Encoding, Movie, find_frames, make_movie

QUICK = "ultrafast"
"""A preset for tests that do not look at how well it is encoded."""


def movie_of(
    pattern: str,
    path: Path,
    frame_range: str | None = None,
    missing: str = "fail",
    labels: dict[str, str] | None = None,
    **settings: object,
) -> Movie:
    """Make a movie of a sequence, quickly."""
    encoding = Encoding(**{"preset": QUICK, **settings})  # type: ignore[arg-type]
    return make_movie(find_frames(pattern, frame_range, missing), str(path), encoding, labels)


def pictures(path: str | Path) -> list[npt.NDArray[np.float64]]:
    """All frames as RGB from 0 to 255, unrounded: by BT.709's own formulas, not by swscale."""
    with av.open(str(path)) as movie:
        return [_rgb(frame.to_ndarray()) for frame in movie.decode(video=0)]


def _rgb(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    y = (planes[:height].astype(float) - 16) / 219
    chroma = planes[height:].reshape(2, height // 2, width // 2).astype(float)
    blue, red = (((plane - 128) / 224).repeat(2, 0).repeat(2, 1) for plane in chroma)
    r, b = y + 1.5748 * red, y + 1.8556 * blue
    g = (y - 0.2126 * r - 0.0722 * b) / 0.7152
    return np.stack([r, g, b], axis=2) * 255
