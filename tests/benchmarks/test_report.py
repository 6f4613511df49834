"""The verdicts, and the page that is written from them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import document
from tests.benchmarks.report import Figure, Findings, Promise, Table


@pytest.mark.parametrize(
    ("measured", "at_most", "verdict"),
    [
        (1.0, False, "kept"),
        (0.99, False, "MISSED"),
        (0.79, False, "BROKEN"),
        (1.0, True, "kept"),
        (1.01, True, "MISSED"),
        (1.21, True, "BROKEN"),
    ],
)
def test_a_median_is_judged_by_goal_and_floor(measured: float, at_most: bool, verdict: str) -> None:
    floor = 1.2 if at_most else 0.8
    promise = Promise("a speed", Figure.exact(measured), 1.0, floor, at_most)
    assert promise.verdict == verdict
    assert Promise("a speed", Figure.exact(measured), 1.0, None, at_most).verdict != "BROKEN"


def test_a_ratio_is_that_of_each_round() -> None:
    assert Figure.ratio([1.0, 20.0, 3.0], [2.0, 40.0, 6.0]) == Figure.exact(0.5)
    with pytest.raises(ValueError, match="shorter"):
        Figure.ratio([1.0, 2.0], [1.0])


def test_a_table_reads_the_same_on_the_terminal_and_on_the_page() -> None:
    table = Table("a title", ("", "MB/s"), [("curl", "9"), ("ours", "10,000")])
    assert table.lines() == ["A TITLE", "        MB/s", "curl       9", "ours  10,000"]
    assert table.markdown()[2:] == ["|  | MB/s |", "|---|---|", "| curl | 9 |", "| ours | 10,000 |"]


def test_the_page_keeps_its_prose_and_has_a_place_for_every_section() -> None:
    text = document.DOCUMENT.read_text()
    for name in command.SECTIONS:
        text = document.replaced(text, name, [f"figures of {name}"])
        assert f"<!-- {name} -->\nfigures of {name}\n<!-- /{name} -->" in text
    assert "## How to read it" in text
    with pytest.raises(ValueError, match="no section nonsense"):
        document.replaced(text, "nonsense", [])


@pytest.mark.parametrize(("measured", "code"), [(1.0, 0), (0.9, 0), (0.5, "1 promise(s) broken")])
def test_a_run_fails_for_a_broken_floor_alone(
    measured: float, code: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Findings([], [Promise("a speed", Figure.exact(measured), 1.0, 0.8)])
    section = type(sys)("tests.benchmarks.a_section")
    section.measure = lambda run: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, section.__name__, section)
    monkeypatch.setattr(command, "SECTIONS", ("a_section",))
    monkeypatch.setattr(sys, "argv", ["bench"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == code
    assert '"a speed"' in (tmp_path / "build/bench.json").read_text()
