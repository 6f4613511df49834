"""Programs that pip cannot bring: a browser, Prometheus, a container engine."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_ALL = "FARM_TASKS_REQUIRE_ALL"
"""Set where nothing may be left out: in CI."""


def program(name: str, package: str = "") -> str:
    """The path of a program; the test is skipped without it, or fails if nothing may be left out.

    Args:
        name: What to look for on PATH.
        package: The Debian package that brings it, if it has another name.
    """
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (apt-get install {package or name})")
    return found


def missing(what: str) -> NoReturn:
    """Skip the test that runs, for want of something; or fail it, if nothing may be left out."""
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{what}, and {REQUIRE_ALL} is set")
    pytest.skip(what)
