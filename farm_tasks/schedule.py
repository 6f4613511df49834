"""What holds at which hour: ``mon-fri 07:00-19:00 20MB/s, 19:00-07:00 unlimited, 60MB/s``.

Entries are separated by commas, and the first that fits counts; where none does, nothing is
limited. An entry is what it allows, with the days and hours for which it does in front, either of
which may be left out. Hours are those of the clock on the wall of this host (TZ, or
/etc/localtime): where it is put back, an hour counts twice, and where it is put forward the hour
that it skips is left out. A span over midnight belongs to the day on which it begins.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

UNLIMITED = "unlimited"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = 24 * 60

_SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30}
_BYTES = re.compile(r"(\d+(?:\.\d+)?) ?((?i:|k|m|g|ki|mi|gi))(B|[bB]it)/s")
_TIMES = re.compile(r"(\d+(?:\.\d+)?) ?/ ?(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}

LEAST_BANDWIDTH = 1000.0
"""Bytes per second: below that a server gives a transfer up."""

MOST_BANDWIDTH = 1e12
"""Bytes per second: above that a limit is a slip of the pen."""


@dataclasses.dataclass(frozen=True)
class Entry(Generic[T]):
    """One part of a schedule.

    Attributes:
        days: Of the week on which it begins, 0 is Monday.
        begin: Minutes after midnight.
        end: The same; not after ``begin`` where it ends on the next day.
        value: What holds then.
    """

    days: frozenset[int]
    begin: int
    end: int
    value: T

    @property
    def always_holds(self) -> bool:
        """Whether there is no moment that is not within it."""
        return len(self.days) == len(_DAYS) and (self.begin, self.end) == (0, _MIDNIGHT)

    def holds_at(self, moment: datetime.datetime) -> bool:
        """Whether ``moment`` is within it."""
        day, minute = moment.weekday(), moment.hour * 60 + moment.minute
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        began_yesterday = minute < self.end and (day - 1) % 7 in self.days
        return began_yesterday or (minute >= self.begin and day in self.days)


@dataclasses.dataclass(frozen=True)
class Schedule(Generic[T]):
    """Entries, of which the first that fits counts.

    Attributes:
        text: What it was read from.
        entries: In their order.
    """

    text: str
    entries: tuple[Entry[T], ...]

    def at(self, moment: datetime.datetime) -> T | None:
        """What holds at a local time, or None if nothing does."""
        return next((one.value for one in self.entries if one.holds_at(moment)), None)

    def now(self) -> T | None:
        """What holds now."""
        return self.at(datetime.datetime.now())  # noqa: DTZ005 (the clock on the wall is meant)


class Bandwidth(NamedTuple):
    """Bytes per second in each direction; None is unlimited."""

    up: float | None = None
    down: float | None = None


def bandwidth(text: str) -> Schedule[Bandwidth]:
    """Read a schedule of ``50MB/s``, ``400Mbit/s``, ``up 20MB/s down 80MB/s`` and ``unlimited``.

    One figure is for each direction: 50 MB/s up, and 50 MB/s down beside them.

    Raises:
        ValueError: it cannot be read; says which part.
    """
    return _schedule(text, _bandwidth)


def rate(text: str) -> Schedule[float | None]:
    """Read a schedule of ``2/s``, ``120/m``, ``3000/h`` and ``unlimited``: times per second.

    Raises:
        ValueError: it cannot be read; says which part.
    """
    return _schedule(text, _times)


def _schedule(text: str, read: Callable[[str], T]) -> Schedule[T]:
    parts = [part.strip() for part in text.split(",")]
    entries = tuple(_entry(part, read) for part in parts)
    for part, entry, following in zip(parts, entries, parts[1:], strict=False):
        if entry.always_holds:
            raise ValueError(
                f"{following!r} would never count: {part!r} before it has neither days nor hours, "
                "so it always fits. Such an entry comes last, with up and down without a comma"
            )
    return Schedule(text, entries)


def _entry(text: str, read: Callable[[str], T]) -> Entry[T]:
    words = text.split()
    days, begin, end = frozenset(range(7)), 0, _MIDNIGHT
    if words and re.fullmatch(r"[a-z]{3}(-[a-z]{3})?", words[0], re.IGNORECASE):
        days = _days(words.pop(0).lower(), text)
    if words and ":" in words[0]:
        begin, end = _hours(words.pop(0), text)
    if not words:
        raise ValueError(f"{text!r} does not say what is allowed")
    return Entry(days, begin, end, read(" ".join(words)))


def _days(word: str, text: str) -> frozenset[int]:
    first, _, last = word.partition("-")
    for name in (first, last or first):
        if name not in _DAYS:
            raise ValueError(f"{name!r} in {text!r} is not a day: {', '.join(_DAYS)}")
    begin = _DAYS.index(first)
    count = (_DAYS.index(last or first) - begin) % 7 + 1
    return frozenset((begin + day) % 7 for day in range(count))


def _hours(word: str, text: str) -> tuple[int, int]:
    clocks = word.split("-")
    if len(clocks) != 2:
        raise ValueError(f"{word!r} in {text!r} is not a span such as 19:00-07:00")
    begin, end = (_minutes(clock, text) for clock in clocks)
    if begin == _MIDNIGHT:
        raise ValueError(f"{word!r} in {text!r} begins at no minute of a day: write 00:00")
    if begin == end:
        raise ValueError(f"{word!r} in {text!r} is not a span such as 19:00-07:00")
    return begin, end


def _minutes(clock: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,2}):(\d\d)", clock)
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    if not 0 <= minutes <= _MIDNIGHT:
        raise ValueError(f"{clock!r} in {text!r} is not a time between 00:00 and 24:00")
    return minutes


def _bandwidth(text: str) -> Bandwidth:
    words = [one.lower() if one.lower() in {"up", "down"} else one for one in text.split()]
    if words[0] not in {"up", "down"}:
        return Bandwidth(*(_bytes(text),) * 2)
    text = " ".join(words)
    sides: dict[str, float | None] = {}
    for name, amount in re.findall(r"(up|down) ((?:(?!up\b|down\b).)+)", text):
        if name in sides:
            raise ValueError(f"{text!r} says {name!r} twice")
        sides[name] = _bytes(amount.strip())
    if sum(one in {"up", "down"} for one in words) != len(sides):
        raise ValueError(f"{text!r} does not say how much for each direction")
    return Bandwidth(sides.get("up"), sides.get("down"))


def _bytes(text: str) -> float | None:
    if text.lower() == UNLIMITED:
        return None
    match = _BYTES.fullmatch(text)
    if match is None:
        # "b" is a bit to who sells lines and a byte to who types in a hurry: eight times as much.
        unclear = ": B is a byte, and a bit is written out" if text.endswith("b/s") else ""
        raise ValueError(
            f"{text!r} is not a bandwidth such as 50MB/s, 400Mbit/s or {UNLIMITED}{unclear}"
        )
    amount = float(match[1]) * _SIZES[match[2].lower()] / (1 if match[3] == "B" else 8)
    if amount < LEAST_BANDWIDTH:
        raise ValueError(f"{text!r} is less than {LEAST_BANDWIDTH:.0f} bytes a second")
    if amount > MOST_BANDWIDTH:
        raise ValueError(f"{text!r} is more than any line has: write {UNLIMITED}")
    return amount


def _times(text: str) -> float | None:
    if text.lower() == UNLIMITED:
        return None
    match = _TIMES.fullmatch(text.lower())
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is not a rate such as 2/s, 120/m, 3000/h or {UNLIMITED}")
    return float(match[1]) / _SECONDS[match[2]]
