"""Frame rates as exact fractions: a rate that is rounded loses a frame in a long movie."""

from __future__ import annotations

import re
from fractions import Fraction

from farm_tasks.errors import InvalidArgument

SLOWEST, FASTEST = 1, 240
"""Frames per second."""

_NTSC = {
    Fraction(text): Fraction(whole * 1000, 1001)
    for whole, texts in {
        24: "23.976 23.98",
        30: "29.97",
        48: "47.952 47.95",
        60: "59.94",
        120: "119.88",
    }.items()
    for text in texts.split()
}
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?|\d{1,7}/\d{1,7}")


def frame_rate(text: str) -> Fraction:
    """The exact rate that ``text`` means.

    Args:
        text: ``24``, ``24000/1001``, or an NTSC rate as it is usually rounded: ``23.976``.

    Raises:
        InvalidArgument: it is no rate, or a decimal that does not say which fraction is meant.
    """
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip()):
        raise InvalidArgument(
            f"fps: {str(text)[:40]!r} is no frame rate: give 24, 24000/1001 or 23.976, as text."
        )
    try:
        rate = Fraction(text.strip())
    except ZeroDivisionError:
        raise InvalidArgument(f"fps: {text!r} divides by nothing.") from None
    rate = _NTSC.get(rate, rate)
    if "." in text and rate.denominator not in {1, 1001}:
        raise InvalidArgument(
            f"fps: {text!r} is rounded, or unusual: give a fraction, such as {rate} or 24000/1001."
        )
    if not SLOWEST <= rate <= FASTEST:
        raise InvalidArgument(f"fps: {text!r} is not from {SLOWEST} to {FASTEST} frames a second.")
    return rate
