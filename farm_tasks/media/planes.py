"""Y'CbCr planes of 8 bits, 4:2:0, from the RGB of a display.

Rec. ITU-R BT.709-6 3.2-3.4: its matrix, 16-235 for Y' and 16-240 for Cb and Cr. Computed in floats
and rounded once; chroma is sited as H.264 assumes, left and between two lines (ITU-T H.264 E.2.1,
``chroma_sample_loc_type`` 0).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
_Y = np.array([_RED, _GREEN, _BLUE], np.float32) * 219
_CB = np.array([-_RED, -_GREEN, 1 - _BLUE], np.float32) * (224 / (2 * (1 - _BLUE)))
_CR = np.array([1 - _RED, -_GREEN, -_BLUE], np.float32) * (224 / (2 * (1 - _RED)))
_HALF = np.float32(0.5)  # rounds where whole numbers are made by cutting off


class Planes:
    """One picture, in the layout that FFmpeg calls ``yuv420p``.

    A side that is odd gets one more row or column, a copy of the last: 4:2:0 has none that are odd.

    Args:
        width: Of the RGB picture, in pixels.
        height: As ``width``.

    Attributes:
        data: Height x 3/2 rows of width: Y', then Cb, then Cr.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = even(width), even(height)
        self.data: Bytes = np.empty((self.height * 3 // 2, self.width), np.uint8)
        self._y = self.data[: self.height]
        chroma = self.data[self.height :].reshape(2, self.height // 2, self.width // 2)
        self._cb, self._cr = chroma

    def put(self, top: int, rgb: RGB) -> None:
        """Set the rows from ``top`` on. Threads may do so at once, for rows that differ.

        Args:
            top: An even number.
            rgb: Rows x width x RGB, 0 to 1; what is beyond is cut off, in place. An odd number of
                rows ends the picture.
        """
        np.clip(rgb, 0.0, 1.0, out=rgb)
        rows, columns = rgb.shape[:2]
        if rows % 2 or columns % 2:
            rgb = np.pad(rgb, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
        bottom = top + rgb.shape[0]
        self._y[top:bottom] = _weighted(rgb, _Y, 16)
        left = _sited(rgb)
        self._cb[top // 2 : bottom // 2] = _weighted(left, _CB, 128)
        self._cr[top // 2 : bottom // 2] = _weighted(left, _CR, 128)


def even(side: int) -> int:
    """``side``, or the next even number."""
    return side + side % 2


def _weighted(rgb: RGB, weights: RGB, offset: int) -> RGB:
    plane: RGB = rgb[..., 0] * weights[0]
    plane += rgb[..., 1] * weights[1]
    plane += rgb[..., 2] * weights[2]
    plane += offset + _HALF
    return plane


def _sited(rgb: RGB) -> RGB:
    """Every second column, filtered by 1-2-1, of pairs of rows."""
    pairs: RGB = rgb[0::2] + rgb[1::2]
    here, right = pairs[:, 0::2], pairs[:, 1::2]
    sited: RGB = here * np.float32(2)
    sited += right
    sited[:, 1:] += right[:, :-1]
    sited[:, 0] += here[:, 0]
    sited *= np.float32(0.125)
    return sited
