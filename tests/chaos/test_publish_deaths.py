"""Workers die while ``publish`` makes movies of frames and brings them to Kitsu."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import submit
from farm_tasks.kitsu.lookup import find_task
from farm_tasks.media import Encoding, find_frames, make_movie
from tests.chaos.census import Publish
from tests.chaos.crew import kill_slots, kill_whole
from tests.chaos.phases import ON_THE_ROAD, Fault, Phase, Plan
from tests.chaos.stage import Stage
from tests.support.frames import exr_frames
from tests.support.media import digest
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = pytest.mark.chaos

RECOVERY = 150.0
"""Seconds in which all is done after the worst."""

SIZE = (160, 90)
MANY = 500
"""Frames: they are not all encoded before the first of them is heard of."""

OPTIONS: dict[str, Any] = {"fps": "24000/1001", "burn_in": ["shot"]}


def publish_frames(stage: Stage, plan: Plan, frames: str, count: int, **options: Any) -> Publish:
    """Submit the first frames to a task of its own. Its shot's name is in the picture."""
    task = stage.new_task()
    frame_range = f"1001-{1000 + count}"
    path = expected_movie(stage, task, frames, frame_range, stage.folder / plan.tag)
    submission = submit.publish(
        task,
        comment=f"{plan.tag} by {plan.fault} at {plan.phase}",
        frames=frames,
        frame_range=frame_range,
        **{**OPTIONS, **options},
    )
    publish = Publish(plan, task, path, digest(path), submission)
    stage.publishes.append(publish)
    return publish


def expected_movie(stage: Stage, task: str, frames: str, frame_range: str, folder: Path) -> Path:
    """What a worker makes of it, whichever worker and whenever."""
    names = find_task(task, stage.kitsu)["path"].split("/")
    labels = {"project": names[0], "shot": "/".join(names[1:-1]), "task": names[-1]}
    encoding = Encoding(fps=OPTIONS["fps"], burn_in=tuple(OPTIONS["burn_in"]))
    folder.mkdir()
    sequence = find_frames(frames, frame_range)
    return Path(make_movie(sequence, str(folder / "beauty.mp4"), encoding, labels).path)


def fill_every_phase(stage: Stage) -> list[Publish]:
    """One held in each phase that the road sees, and one in the middle of its frames."""
    frames = exr_frames(stage.folder / "frames", 1001, MANY, SIZE)
    plans = [stage.plan(phase) for phase in ON_THE_ROAD]
    held = [publish_frames(stage, plan, frames, 2) for plan in plans]
    encoding = publish_frames(stage, stage.plan(Phase.QUEUED, Fault.NONE), frames, MANY)
    for plan in plans:
        wait_until(plan.reached.is_set, 60)
    wait_until(lambda: encoding.submission.progress().frames_done > 0, 60, every=0.02)
    return [*held, encoding]


def scratch(stage: Stage, name: str) -> Path:
    """Another machine has its scratch folder elsewhere, and sees no other's."""
    return stage.crew.folder / "scratch" / name


def die(stage: Stage, worker: Worker) -> Path:
    """kill -9 of the worker and all its processes; another one takes over."""
    kill_whole(worker)
    assert list(scratch(stage, "first").glob("*/.beauty.mp4.*.part")), "not in mid-encoding"
    stage.release()
    stage.crew.hire(FARM_TASKS_SCRATCH=str(scratch(stage, "second")))
    return scratch(stage, "second")


def lose_the_slots(stage: Stage, worker: Worker) -> Path:
    """kill -9 of every pool process; the worker makes new ones."""
    kill_slots(worker)
    stage.release()
    return scratch(stage, "first")


@pytest.mark.parametrize("strike", [die, lose_the_slots])
def test_each_publish_of_frames_is_in_kitsu_once(
    strike: Callable[[Stage, Worker], Path], stage: Stage
) -> None:
    worker = stage.crew.hire(FARM_TASKS_SCRATCH=str(scratch(stage, "first")))
    publishes = fill_every_phase(stage)
    left = strike(stage, worker)
    stage.wait(publishes, RECOVERY)
    stage.assert_each_is_there_once(publishes)
    for one in publishes:
        [preview] = one.submission.record().result["previews"]
        assert preview["sha256"] == one.sha256
        assert preview["revision"] == 1
    assert list(left.iterdir()) == []
