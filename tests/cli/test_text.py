from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.cli import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("shot_010 é 日本.mp4", "shot_010 é 日本.mp4"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("bell\a tab\t", "bell\\x07 tab\\x09"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("moc\u202e4pm", "moc\\u202e4pm"),
        ("line\u2028break", "line\\u2028break"),
        ("byte\udcff", "byte\\udcff"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(given: str, shown: str) -> None:
    assert text.plain(given) == shown


@given(st.text())
def test_a_message_stays_on_one_line_and_prints_in_any_encoding(message: str) -> None:
    shown = text.one_line(message)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 for character in shown)
    shown.encode()


def test_line_breaks_in_a_message_become_spaces() -> None:
    assert text.one_line("Kitsu said:\n   no\r\n") == "Kitsu said: no"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_999, "1.0 MB"),
        (29_400_000, "29.4 MB"),
        (5e15, "5.0 PB"),
        (5e18, "5000.0 PB"),
    ],
)
def test_sizes_are_readable(count: float, shown: str) -> None:
    assert text.size(count) == shown


def test_two_sizes_share_the_unit_of_the_larger() -> None:
    assert text.sizes(300_000, 29_400_000) == "0.3/29.4 MB"
    assert text.sizes(5, 300) == "5/300 B"
    assert text.sizes(12_300_000, 0) == "12.3 MB"


def test_rates_and_durations() -> None:
    assert text.rate(11_200_000) == "11.2 MB/s"
    assert [text.duration(s) for s in (0.4, 7, 59.6, 750, 3723)] == [
        "0:00", "0:07", "1:00", "12:30", "1:02:03",
    ]  # fmt: skip
    assert [text.age(s) for s in (-1, 12.9, 300, 10800, 200000)] == [
        "0 s", "12 s", "5 min", "3 h", "2 d",
    ]  # fmt: skip


def test_a_file_name_is_the_last_part_of_any_systems_path() -> None:
    assert text.file_name("/show/a b.mp4") == "a b.mp4"
    assert text.file_name("P:\\show\\a.mp4") == "a.mp4"
    assert text.file_name("") == ""


def test_names_are_cut_in_the_middle() -> None:
    assert text.shortened("SQ01_SH010_compositing_v001.mp4", 16) == "SQ01_SH..001.mp4"
    assert text.shortened("short", 16) == "short"
