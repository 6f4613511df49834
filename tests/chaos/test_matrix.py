"""The matrix in docs/reliability.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "reliability.md"


def test_every_row_of_the_matrix_names_a_test() -> None:
    _, of_faults, of_failures = re.split(r"^\| f\w+.*\n\|[-|]+\n", DOCUMENT.read_text(), flags=re.M)
    named = re.findall(r"\| (test_\w+): `(\w+)", of_faults)
    named += [("test_dead_letters", one) for one in re.findall(r"\| `(\w+)", of_failures)]
    assert len(named) > 15
    missing = [f"{file}: {name}" for file, name in named if name not in _text(file)]
    assert missing == []


def _text(file: str) -> str:
    return (HERE / f"{file}.py").read_text()
