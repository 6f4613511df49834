"""A frame rate is exact."""

from __future__ import annotations

from fractions import Fraction

import pytest

from farm_tasks.errors import InvalidArgument
from farm_tasks.frame_rate import frame_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", Fraction(24)),
        ("25.0", Fraction(25)),
        ("24000/1001", Fraction(24000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("25/2", Fraction(25, 2)),
    ],
)
def test_a_rate_is_the_fraction_that_is_meant(text: str, rate: Fraction) -> None:
    assert frame_rate(text) == rate


@pytest.mark.parametrize("text", ["23.9", "12.5", "29.9", "24.01"])
def test_another_decimal_is_refused_and_the_hint_is_a_fraction(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"give a fraction, such as \d+/\d+"):
        frame_rate(text)


@pytest.mark.parametrize(
    "text", ["", "fast", "24/0", "0", "-24", "1e3", "999", "1/24", "24;rm", 24]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="fps"):
        frame_rate(text)
