"""The verdicts, and the page that is written from them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from tests.acceptance.farm import MB
from tests.benchmarks import __main__ as command
from tests.benchmarks import document, many_transfers, watching_cost
from tests.benchmarks.crowd import Sample, Size
from tests.benchmarks.machine import machine
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


@pytest.mark.parametrize(
    ("changed", "ending"), [(False, "commit abc1234"), (True, "commit abc1234, with changes")]
)
def test_the_page_says_whether_the_commit_was_changed(
    changed: bool, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "performance.md"
    page.write_text("<!-- scale -->\n<!-- /scale -->\n")
    monkeypatch.setattr(document, "DOCUMENT", page)
    facts = machine() | {"commit": "abc1234", "changed_since": changed}
    document.write({"scale": Findings([], [])}, facts)
    assert f"{ending}_\n" in page.read_text()


def test_memory_that_was_not_seen_is_no_figure() -> None:
    size = Size("up", 32, 2.5)
    unseen = Sample(0.9, None, 3.0, 0.1, 0.1, None, None)
    seen = dataclasses.replace(unseen, together=1.0, memory=9 * MB, all_memory=300 * MB)

    def memory(turns: list[Sample]) -> list[str]:
        promises = many_transfers._promises(size, {"threads": turns})
        return [one.verdict for one in promises if "a slot" in one.text]

    assert memory([unseen, seen]) == ["BROKEN"]
    assert memory([unseen]) == []
    table = many_transfers._table(size, {"threads": [unseen]}, 1)
    assert "no memory and no promise of it: threads" in table.title
    assert table.rows[0][-2:] == ("-", "-")


def test_watchers_who_see_nothing_break_a_promise() -> None:
    nobody = {"calls": {"set": 600}, "seconds": 3.0, "reads": 600, "redis_cpu": 0.1, "delays": []}
    samples = {0: nobody, 500: nobody}
    verdicts = {one.text: one.verdict for one in watching_cost._promises(samples)}
    assert verdicts["500 watchers: each sees >= 0.95 of the figures that are published"] == "BROKEN"
    assert list(verdicts.values()).count("BROKEN") == 1
    samples[500] = {**nobody, "delays": [0.001] * 3000, "reads": 6000}
    broken = [one.text for one in watching_cost._promises(samples) if one.broken]
    assert broken == ["500 watchers: records are read <= 1.1 times as often as with none"]


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
