"""Values as people read them, and names from outside as a terminal may show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from farm_tasks.plain_text import plain as plain  # noqa: PLC0414 (one module for all that is shown)

if TYPE_CHECKING:
    from farm_tasks.transfer.progress import Progress

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def one_line(text: object) -> str:
    """As :func:`plain`, with line breaks and indentation made single spaces."""
    return plain(re.sub(r"\s*[\r\n]+\s*", " ", str(text).strip()))


def size(count: float) -> str:
    """Bytes in units of 1000, as drives and networks are labelled: ``29.4 MB``."""
    value, unit = _scaled(count)
    return f"{int(value)} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def sizes(done: float, total: float) -> str:
    """Bytes of all bytes, in one unit: ``12.3/29.4 MB``; without a total, just the bytes."""
    if total <= 0:
        return size(done)
    _, unit = _scaled(total)
    factor = 1000 ** _UNITS.index(unit)
    places = 0 if unit == "B" else 1
    return f"{done / factor:.{places}f}/{total / factor:.{places}f} {unit}"


def amount(progress: Progress) -> str:
    """What is done of a transfer: its bytes, or before there are any the frames of its movie."""
    if progress.frames_total and not progress.bytes_read:
        return f"{progress.frames_done}/{progress.frames_total} frames"
    if progress.bytes_read or progress.total:
        return sizes(progress.bytes_read, progress.total)
    return ""


def rate(bytes_per_second: float) -> str:
    """Bytes per second: ``11.2 MB/s``."""
    return f"{size(bytes_per_second)}/s"


def duration(seconds: float) -> str:
    """Seconds as ``0:07``, ``12:30`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(seconds: float) -> str:
    """How long ago in one unit: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for count, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= count:
            return f"{int(seconds // count)} {unit}"
    return f"{max(0, int(seconds))} s"


def file_name(path: str) -> str:
    """The last part of a path of whichever system, escaped."""
    return plain(re.split(r"[/\\]", path.rstrip("/\\"))[-1])


def shortened(text: str, width: int) -> str:
    """``text`` in ``width`` characters: names differ at their ends, so the middle goes."""
    if len(text) <= width:
        return text
    head = (width - 2) // 2
    return f"{text[:head]}..{text[len(text) - (width - 2 - head) :]}"


def _scaled(count: float) -> tuple[float, str]:
    value = float(count)
    for unit in _UNITS[:-1]:
        # 999.96 would be printed as 1000.0.
        if value < 999.95:
            return value, unit
        value /= 1000
    return value, _UNITS[-1]
