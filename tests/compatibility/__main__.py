"""Run with ``python -m tests.compatibility [WORD...]``: only sets that contain all of the words."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]

SETS = (
    "celery==5.5.3 kombu==5.5.4 redis==5.2.1",
    "celery==5.6.3 kombu==5.6.2 redis==5.3.1",
    "celery==5.6.3 kombu==5.6.2 redis==6.4.0",
    "celery==5.6.3 kombu==5.6.2 redis==7.4.1",
    "celery==5.7.0 kombu==5.7.0 redis==6.4.0",
    "celery==5.7.0 kombu==5.7.0 redis==8.1.0",
)
"""kombu's own bounds allow all but the fourth: kombu 5.6.2 wants redis-py below 6.5."""

TESTS = ("test_broker_faults.py", "test_visibility.py", "test_shutdown.py")

SECONDS = 600


def requirements() -> list[str]:
    """What farm_tasks and its tests need besides the versions in question."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    others = [one for one in needed if not re.match(r"(celery|kombu|redis)\b", one)]
    return [*others, "psutil>=6", "pytest>=8.3"]


def run(versions: str, folder: Path) -> tuple[str, float]:
    """The last line of pytest's, and how many seconds the tests took."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # The versions in a step of their own: one of the sets is against kombu's own bounds.
    for packages in ([*requirements(), "celery", "redis"], versions.split()):
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
            check=True,
        )
    begun = time.monotonic()
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"]
    tests = [f"tests/worker/{name}" for name in TESTS]
    try:
        done = subprocess.run(
            [*command, *tests],
            check=False,
            cwd=ROOT,
            timeout=SECONDS,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return f"not done in {SECONDS} s", SECONDS
    lines = done.stdout.splitlines()
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            print("   ", line[:160])
    return lines[-1], time.monotonic() - begun


def main() -> None:
    words = sys.argv[1:]
    for versions in SETS:
        if all(word in versions for word in words):
            print(versions, flush=True)
            with tempfile.TemporaryDirectory(prefix="farm-tasks-compatibility-") as folder:
                result, seconds = run(versions, Path(folder))
            print(f"  {result}  ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
