"""The extra is asked for by name where it is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules[sys.argv[1]] = None
from farm_tasks.errors import NotConfigured
try:
    import farm_tasks.media
except NotConfigured as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["PyOpenColorIO"])
def test_a_missing_package_is_said_with_what_to_install(missing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, missing],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "pip install 'farm-tasks[media]'" in done.stdout
    assert missing in done.stdout
