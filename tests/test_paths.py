"""What a path from outside may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farm_tasks.errors import (
    FarmTasksError,
    FileUnreadable,
    InvalidArgument,
    NotConfigured,
    OutsideRoots,
)
from farm_tasks.paths import inside
from tests.support.swapping import swapping

ROOT = Path("/srv/projects-of-nobody")


def test_links_and_dots_are_resolved_before_the_path_is_compared(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "show").mkdir(parents=True)
    (root / "latest").symlink_to("show")
    (root / "up").symlink_to(tmp_path)
    (tmp_path / "way-in").symlink_to(root)
    assert inside(str(root / "latest" / "x"), [root], "ROOTS") == str(root / "show" / "x")
    assert inside(str(tmp_path / "way-in" / "x"), [root], "ROOTS") == str(root / "x")
    assert inside(str(root / "x"), [tmp_path / "way-in"], "ROOTS") == str(root / "x")
    for path in ("up/x", "../x", "show/../../x", "../root-and-more/x"):
        with pytest.raises(OutsideRoots, match="is not under ROOTS"):
            inside(str(root / path), [root], "ROOTS")


def test_no_roots_is_told_apart_from_other_roots() -> None:
    with pytest.raises(NotConfigured, match="set ROOTS"):
        inside("/x", [], "ROOTS")


@pytest.mark.parametrize(
    "path",
    ["", " ", "relative", "./x", "a\0b", "/a\0b", "/\ud83d", None, 7, b"/bytes", ["/x"], {}],
)
def test_what_is_no_path_at_all(path: Any) -> None:
    with pytest.raises(InvalidArgument):
        inside(path, [ROOT], "ROOTS")


@given(st.text())
@example("/".join([".."] * 2000))
@example("x" * 5000)
def test_whatever_is_asked_for_is_under_the_root_or_refused(text: str) -> None:
    try:
        found = inside(f"{ROOT}/{text}", [ROOT], "ROOTS")
    except FarmTasksError:
        return
    assert os.path.normpath(found) == found
    assert found == str(ROOT) or found.startswith(f"{ROOT}/")


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    assert inside(str(tmp_path / "one"), [tmp_path], "ROOTS").startswith(str(tmp_path))


def test_a_path_that_changes_while_it_is_looked_at_is_a_failure_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    outcomes = set()
    with swapping(tmp_path / "file", tmp_path / "link"):
        for _ in range(3000):
            try:
                inside(str(tmp_path / "link"), [tmp_path], "ROOTS")
                outcomes.add("resolved")
            except FileUnreadable:
                outcomes.add("refused")
    assert "resolved" in outcomes


def test_a_path_that_no_system_has_is_refused_without_being_quoted() -> None:
    for path in ("é" * 30_000, "/" + "é" * 30_000):
        with pytest.raises(InvalidArgument, match=r"30,00\d characters") as caught:
            inside(path, [ROOT], "ROOTS")
        assert len(str(caught.value)) < 200
