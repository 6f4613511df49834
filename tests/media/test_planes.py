"""RGB becomes Y'CbCr as BT.709 says."""

from __future__ import annotations

import numpy as np
import pytest

from farm_tasks.media.planes import Planes


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [  # 8-bit code values of BT.709's 100 % colours
        ((0, 0, 0), (16, 128, 128)),
        ((1, 1, 1), (235, 128, 128)),
        ((1, 0, 0), (63, 102, 240)),
        ((0, 1, 0), (173, 42, 26)),
        ((0, 0, 1), (32, 240, 118)),
        ((9, -3, 0.4), (69, 147, 236)),
    ],
)
def test_colours_have_the_code_values_of_bt709(
    rgb: tuple[float, ...], ycbcr: tuple[int, ...]
) -> None:
    planes = Planes(4, 2)
    planes.put(0, np.full((2, 4, 3), rgb, np.float32))
    flat = planes.data.reshape(-1)
    assert {*flat[:8]} == {ycbcr[0]}
    assert (flat[8], flat[10]) == ycbcr[1:]


def test_an_odd_side_is_made_even_by_doubling_the_last_row_and_column() -> None:
    planes = Planes(3, 3)
    rgb = np.zeros((3, 3, 3), np.float32)
    rgb[2, 2] = 1
    planes.put(0, rgb)
    assert (planes.width, planes.height) == (4, 4)
    assert planes.data[:4].tolist() == [
        [16, 16, 16, 16],
        [16, 16, 16, 16],
        [16, 16, 235, 235],
        [16, 16, 235, 235],
    ]


def test_chroma_is_sited_left() -> None:
    rgb = np.zeros((2, 8, 3), np.float32)
    rgb[:, 4] = (0, 0, 1)  # one column, the first of its pair: half of what is taken for it
    planes = Planes(8, 2)
    planes.put(0, rgb)
    assert planes.data[2].tolist()[:4] == [128, 128, 184, 128]
    rgb[:] = 0
    rgb[:, 0] = (0, 0, 1)  # what would stand before the first column is as the first
    planes.put(0, rgb)
    assert planes.data[2].tolist()[:4] == [212, 128, 128, 128]
    rgb[:] = 0
    rgb[:, 3] = (0, 0, 1)  # the second of its pair: a quarter for this pair and for the next
    planes.put(0, rgb)
    assert planes.data[2].tolist()[:4] == [128, 156, 156, 128]
