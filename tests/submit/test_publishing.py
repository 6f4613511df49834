"""What ``submit.publish`` refuses before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import submit
from farm_tasks.errors import BrokerUnavailable, InvalidArgument
from farm_tasks.submit import spool
from tests.support.environment import environment_of
from tests.support.redis_server import free_port

FRAMES = {"task": "demo/SQ01/SH010/comp", "frames": "/p/a.####.exr", "fps": "24"}
MOVIE = {"task": "demo/SQ01/SH010/comp", "previews": ["/p/a.mov"]}


@pytest.fixture(autouse=True)
def no_redis() -> Iterator[None]:
    """What is not refused finds no Redis, which is another error."""
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with environment_of({"FARM_TASKS_BROKER_URL": nobody, "FARM_TASKS_RESULT_BACKEND": nobody}):
        yield


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (FRAMES | {"fps": "abc"}, "fps: "),
        (FRAMES | {"fps": "23.97"}, "fps: "),
        (FRAMES | {"fps": [24]}, "fps: "),
        (FRAMES | {"fps": None}, "fps: "),
        (FRAMES | {"missing_frames": "skip"}, "missing_frames: .*'fail', 'hold' or 'warn'"),
        (FRAMES | {"burn_in": ["shots"]}, "burn_in: .*'shot'"),
        (FRAMES | {"burn_in": "shot"}, "burn_in: "),
        (FRAMES | {"slate": "yes"}, "slate: "),
        (FRAMES | {"logo": 7}, "logo: "),
        (FRAMES | {"view": ["sRGB"]}, "view: "),
        (FRAMES | {"frame_range": 1001}, "frame_range: "),
        (FRAMES | {"revision": "from-name"}, "revision: .*holds no version"),
        (MOVIE | {"revision": "x"}, "revision: "),
        (MOVIE | {"revision": 0}, "revision: "),
        (MOVIE | {"revision": 1.5}, "revision: "),
        (MOVIE | {"thumbnail": "frist"}, "thumbnail: 'frist'"),
        (MOVIE | {"thumbnail": 0}, "thumbnail: "),
        (MOVIE | {"comment": 7}, "comment: "),
        (MOVIE | {"task": 7}, "task: "),
        (MOVIE | {"task_status": {"name": "wfa"}}, "task_status: "),
        (MOVIE | {"wait_until_ready": "no"}, "wait_until_ready: "),
        (MOVIE | {"normalize_movie": 1}, "normalize_movie: "),
        (MOVIE | {"previews": {"a": 1}}, "previews: "),
        (MOVIE | {"previews": []}, "nothing to publish"),
    ],
)
def test_what_can_never_be_published_is_refused_by_its_name(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidArgument, match=told):
        submit.publish(**given)


@pytest.mark.parametrize(
    "given",
    [
        FRAMES | {"fps": 24, "missing_frames": "hold", "burn_in": ("shot", "date"), "slate": True},
        FRAMES | {"fps": 23.976, "frames": "/p/v003/a.####.exr", "revision": "from-name"},
        MOVIE | {"previews": Path("a_v2.mov"), "revision": "from-name", "thumbnail": "last"},
        MOVIE | {"previews": "a.mov", "revision": "7", "thumbnail": 12, "task": {"id": "0" * 32}},
        MOVIE | {"previews": [os.fsdecode(b"/p/\xff.mov")], "comment": "", "missing_frames": None},
    ],
)
def test_what_may_work_is_sent(given: dict[str, Any]) -> None:
    with pytest.raises(BrokerUnavailable):
        submit.publish(**given)


def test_it_is_not_kept_in_the_spool_either(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="fps"):
        spool.write(tmp_path, "publish", FRAMES | {"fps": "abc"})
    assert list(tmp_path.iterdir()) == []
    spool.write(tmp_path, "publish", FRAMES | {"fps": 23.976})
    assert [one.reason for one in spool.waiting(tmp_path)] == [None]
