"""The versions in use are those that were tested: a newer one is let in by a decision."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DECISION = "docs/decisions/0003-celery-below-5.7.md"


def bounds() -> dict[str, Requirement]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        lines = tomllib.load(file)["project"]["dependencies"]
    return {one.name: one for one in map(Requirement, lines)}


@pytest.mark.parametrize("name", ["celery", "kombu", "redis"])
def test_what_is_installed_is_within_the_bounds_that_were_tested(name: str) -> None:
    bound = bounds()[name].specifier
    assert any(one.operator == "<" for one in bound), f"{name} has no upper bound: see {DECISION}"
    assert bound.contains(version(name)), (
        f"{name} {version(name)} was not tested: run python -m tests.compatibility, see {DECISION}"
    )


@pytest.mark.parametrize("name", ["celery", "kombu"])
def test_the_version_that_loses_its_worker_is_kept_out(name: str) -> None:
    assert not bounds()[name].specifier.contains("5.7.0"), f"the reason is in {DECISION}"
