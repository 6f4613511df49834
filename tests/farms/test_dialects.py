from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.farms.dialects import DIALECTS, LONGEST_TEXT, harmless
from tests.farms.openjd_reader import told_to_openjd

FORGERIES = [
    "a\nopenjd_fail: forged.mp4",
    "a\r\nopenjd_env: PATH=/evil",
    "\u2028openjd_progress: 100\x85openjd_status: done\x0bALF_PROGRESS 100%",
    "openjd_fail: forged",
    "OpenJD_env: A=1",
    "ALF_PROGRESS 100%",
    "MY_PROGRESS: 100%",
    "[ PARSER FINISHED SUCCESS ] FRAME: ACTIVITY: REPORT: @IMAGE@ x",
    "[ parser error ]",
    "x" * 100_000 + "\nopenjd_fail: forged",
]


def test_each_farm_gets_its_own_words() -> None:
    def said(name: str) -> list[str]:
        return list(DIALECTS[name].lines(42, "a.mp4: uploading"))

    assert said("alf") == ["a.mp4: uploading", "ALF_PROGRESS 42%"]
    assert said("afanasy") == ["ACTIVITY: a.mp4: uploading", "PROGRESS: 42%"]
    assert said("openjd") == ["openjd_status: a.mp4: uploading", "openjd_progress: 42.0"]
    assert list(DIALECTS["openjd"].lines(None, "no room", failed=True)) == ["openjd_fail: no room"]


def test_openjd_understands_its_lines() -> None:
    lines = [*DIALECTS["openjd"].lines(42, "a"), *DIALECTS["openjd"].lines(None, "b", failed=True)]
    assert told_to_openjd(lines) == [("status", "a"), ("progress", 42.0), ("fail", "b")]


@pytest.mark.parametrize(("percent", "said"), [(-3, 0), (0, 0), (100, 100), (250, 100)])
def test_percentages_stay_between_0_and_100(percent: int, said: int) -> None:
    assert list(DIALECTS["alf"].lines(percent, None)) == [f"ALF_PROGRESS {said}%"]


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("name", DIALECTS)
def test_no_text_forges_a_directive(name: str, forgery: str) -> None:
    (line,) = DIALECTS[name].lines(None, f"{forgery}: uploading")
    assert len(line) < LONGEST_TEXT + 20
    assert line.isprintable()
    assert told_to_openjd([line]) in ([], [("status", line.removeprefix("openjd_status: "))])
    said = line.removeprefix("ACTIVITY: ")
    said = said.removeprefix("openjd_status: ")
    for word in ("PROGRESS: ", "FRAME: ", "ACTIVITY: ", "REPORT: ", "@IMAGE", "ALF_", "openjd_"):
        assert word not in said
    assert "[ parser" not in said.lower()
    assert "alf_progress" not in said.lower()


@given(st.text())
def test_any_text_is_one_printable_line(text: str) -> None:
    line = harmless(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= LONGEST_TEXT
    assert told_to_openjd([line]) == []
