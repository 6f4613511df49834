"""Who takes frames: workers that can make movies of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from farm_tasks.worker.media_queue import can_make_movies
from tests.support.redis_server import RedisServer


@pytest.mark.parametrize(
    ("has_extra", "asked", "taken"),
    [
        (True, None, {"", ".uploads", ".downloads", ".small", ".media"}),
        (False, None, {"", ".uploads", ".downloads", ".small"}),
        (False, "farm_tasks.small,farm_tasks.media", {".small"}),
        (False, "farm_tasks.media", {".media"}),
    ],
)
def test_a_worker_without_the_extra_leaves_frames_to_others(
    has_extra: bool, asked: str | None, taken: set[str], redis_server: RedisServer, tmp_path: Path
) -> None:
    # Without the extra its packages cannot be found.
    script = (
        "import importlib.util as u; find = u.find_spec; "
        + ("" if has_extra else "u.find_spec = lambda n: None if n == 'OpenImageIO' else find(n); ")
        + "from farm_tasks.worker.app import app; from celery.apps.worker import Worker; "
        + f"Worker(app=app, hostname='x@y', pool='solo', queues={asked!r}, quiet=True); "
        + "print('takes', *app.amqp.queues.consume_from)"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "FARM_TASKS_BROKER_URL": redis_server.url(0),
        "FARM_TASKS_RESULT_BACKEND": redis_server.url(1),
    }
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = [one for one in ran.stdout.splitlines() if one.startswith("takes ")]
    assert set(line.split()[1:]) == {f"farm_tasks{one}" for one in taken}


def test_the_extra_is_here_for_the_tests() -> None:
    assert can_make_movies()
