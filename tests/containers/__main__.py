"""What ``make test-containers`` runs: an engine, offline base images, then the tests on them."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time

from tests.containers.engine import ROOT, running_engine
from tests.containers.host import OFFLINE

REQUIRE_ENGINE = "FARM_TASKS_REQUIRE_ENGINE"
"""Set where it is a failure that no engine can be had: not every machine of CI can run one."""


def main(arguments: list[str]) -> int:
    """Run the tests; 0 if they pass, or if there is no engine and none is required."""
    if importlib.util.find_spec("pytest_celery") is None:
        # Without it the smoke tests would be passed over.
        sys.exit("pytest-celery is missing: run make test-containers")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that an engine of ours ends as well
    try:
        with running_engine():
            started = time.monotonic()
            _build_images()
            print(f"images: {time.monotonic() - started:.0f} s", flush=True)
            return _run_tests(arguments)
    except (RuntimeError, AssertionError) as error:
        print(f"\n{'!' * 100}\nNO CONTAINER TEST WAS RUN: {error}\n{'!' * 100}\n", file=sys.stderr)
        return 1 if os.environ.get(REQUIRE_ENGINE) else 0


def _build_images() -> None:
    images = ["python", "redis", "postgres", "prometheus", "rabbitmq"]
    subprocess.run(
        [ROOT / "worker_config" / "images" / "build.sh", *images],
        check=True,
        env={**os.environ, "ENV_FILE": str(OFFLINE), "PYTHON": sys.executable},
    )
    # Names of the tests' own: an operator's farm on the same engine keeps its images and secrets.
    own = {
        "FARM_TASKS_IMAGE": "farm-tasks:test",
        "KITSU_IMAGE": "farm-tasks-kitsu:test",
        "SECRETS_DIR": str(OFFLINE.with_name("secrets")),
        "PROJECTS_DIR": str(OFFLINE.with_name("projects")),
    }
    text = OFFLINE.read_text()
    for name, value in own.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    OFFLINE.write_text(text)
    subprocess.run(
        [ROOT / "worker_config" / "farm.sh", "build"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "ENV_FILE": str(OFFLINE)},
    )


def _run_tests(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-m", "containers", "--durations", "10"]
    halves = ["--numprocesses", "2", "--dist", "loadfile"]
    folders = ["tests/containers", "tests/smoke"]
    return subprocess.run([*command, *(arguments or [*halves, *folders])], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
