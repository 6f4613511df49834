"""What a schedule allows at which hour, and what it says of one that cannot be read."""

from __future__ import annotations

import datetime

import pytest

from farm_tasks import schedule
from farm_tasks.errors import NotConfigured
from farm_tasks.settings import settings
from tests.support.environment import environment_of


def _at(text: str, moment: str) -> schedule.Bandwidth | None:
    """What ``text`` allows at ``moment``; 16 November 2026 is a Monday."""
    day, time = moment.split()
    days = dict(zip("mon tue wed thu fri sat sun".split(), range(16, 23), strict=True))
    clock = datetime.time.fromisoformat(time)
    local = datetime.datetime.combine(datetime.date(2026, 11, days[day]), clock)
    return schedule.bandwidth(text).at(local)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50MB/s", 50e6),
        ("50 mB/s", 50e6),
        ("1.5GB/s", 1.5e9),
        ("400Mbit/s", 50e6),
        ("1MiB/s", 2**20),
        ("20 kB/s", 20e3),
        ("4000B/s", 4000),
        ("unlimited", None),
    ],
)
def test_one_figure_is_for_each_direction(text: str, expected: float | None) -> None:
    assert _at(text, "mon 12:00") == (expected, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up 20MB/s down 80MB/s", (20e6, 80e6)),
        ("down 80 MB/s", (None, 80e6)),
        ("up unlimited down 1MB/s", (None, 1e6)),
    ],
)
def test_directions_may_have_figures_of_their_own(text: str, expected: object) -> None:
    assert _at(text, "mon 12:00") == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("mon 06:59", None),
        ("mon 07:00", 20e6),
        ("fri 18:59", 20e6),
        ("fri 19:00", None),
        ("sat 12:00", 60e6),
        ("sun 00:00", 60e6),
    ],
)
def test_the_first_entry_that_fits_counts(moment: str, expected: float | None) -> None:
    text = "mon-fri 07:00-19:00 20MB/s, 19:00-07:00 unlimited, sat-sun 60MB/s"
    if moment == "sun 00:00":
        text = text.replace("19:00-07:00 unlimited, ", "")
    found = _at(text, moment)
    assert found is not None
    assert found.up == expected


@pytest.mark.parametrize(
    ("moment", "is_limited"),
    [("fri 21:59", False), ("fri 22:00", True), ("sat 05:59", True), ("sat 06:00", False),
     ("sat 22:00", False), ("fri 05:00", False)],
)  # fmt: skip
def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins(
    moment: str, is_limited: bool
) -> None:
    assert (_at("fri 22:00-06:00 1MB/s", moment) is not None) is is_limited


def test_days_may_go_over_the_weekend() -> None:
    limited = [
        day for day in "mon tue wed thu fri sat sun".split() if _at("fri-mon 1MB/s", f"{day} 12:00")
    ]
    assert limited == ["mon", "fri", "sat", "sun"]


def test_a_span_may_end_at_midnight_by_either_name() -> None:
    for text in ("19:00-24:00 1MB/s", "19:00-00:00 1MB/s"):
        assert _at(text, "mon 23:59") is not None
        assert _at(text, "tue 00:00") is None


def test_where_no_entry_fits_nothing_is_limited() -> None:
    assert _at("07:00-19:00 20MB/s", "mon 20:00") is None


@pytest.mark.parametrize(
    ("text", "per_second"), [("2/s", 2), ("120/m", 2), ("3600 / h", 1), ("unlimited", None)]
)
def test_a_rate_is_so_many_a_second(text: str, per_second: float | None) -> None:
    monday = datetime.datetime.fromisoformat("2026-11-16")
    assert schedule.rate(f"sun 1/h, {text}").at(monday) == per_second


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("FARM_TASKS_BANDWIDTH", "fast", "'fast' is not a bandwidth"),
        ("FARM_TASKS_BANDWIDTH", "50", "'50' is not a bandwidth"),
        ("FARM_TASKS_BANDWIDTH", "0MB/s", "'0MB/s' is less than 1000 bytes a second"),
        ("FARM_TASKS_BANDWIDTH", "9MB/s, 25:00-07:00 1MB/s", "'25:00' in '25:00-07:00 1MB/s'"),
        ("FARM_TASKS_BANDWIDTH", "07:60-19:00 1MB/s", "'07:60'"),
        ("FARM_TASKS_BANDWIDTH", "07:00 1MB/s", "'07:00' in '07:00 1MB/s' is not a span"),
        ("FARM_TASKS_BANDWIDTH", "07:00-07:00 1MB/s", "is not a span"),
        ("FARM_TASKS_BANDWIDTH", "24:00-07:00 1MB/s", "begins at no minute of a day: write 00:00"),
        ("FARM_TASKS_BANDWIDTH", "up 2MB/s, down 1MB/s", "'down 1MB/s' would never count: 'up 2MB"),
        ("FARM_TASKS_BANDWIDTH", "unlimited, mon-fri 2MB/s", "'mon-fri 2MB/s' would never count"),
        ("FARM_TASKS_BANDWIDTH", "00:00-24:00 1MB/s, 2MB/s", "'2MB/s' would never count"),
        ("FARM_TASKS_RATE", "mon-sun 1/s, 2/s", "'2/s' would never count"),
        ("FARM_TASKS_BANDWIDTH", "mon-frx 1MB/s", "'frx' in 'mon-frx 1MB/s' is not a day"),
        ("FARM_TASKS_BANDWIDTH", "07:00-19:00", "does not say what is allowed"),
        ("FARM_TASKS_BANDWIDTH", "1MB/s,", "'' does not say what is allowed"),
        ("FARM_TASKS_BANDWIDTH", "up 1MB/s up 2MB/s", "says 'up' twice"),
        ("FARM_TASKS_BANDWIDTH", "up down 2MB/s", "does not say how much"),
        ("FARM_TASKS_BANDWIDTH", "up 1MB/s 2MB/s", "'1MB/s 2MB/s' is not a bandwidth"),
        ("FARM_TASKS_BANDWIDTH", "400Mb/s", "B is a byte, and a bit is written out"),
        ("FARM_TASKS_BANDWIDTH", "9999999GB/s", "more than any line has"),
        ("FARM_TASKS_BANDWIDTH", "0:00-00:00 1MB/s", "is not a span"),
        ("FARM_TASKS_BANDWIDTH", "24:00-00:00 1MB/s", "begins at no minute"),
        ("FARM_TASKS_RATE", "120", "'120' is not a rate"),
        ("FARM_TASKS_RATE", "0/s", "'0/s' is not a rate"),
        ("FARM_TASKS_RATE", "50MB/s", "'50MB/s' is not a rate"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_told_with_the_part_that_is_wrong(
    name: str, value: str, wrong: str
) -> None:
    with environment_of({name: value}), pytest.raises(NotConfigured) as caught:
        settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert wrong in str(caught.value)
