"""Workers die while ``publish`` makes movies of frames and brings them to Kitsu."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gazu
import pytest

from farm_tasks import submit
from farm_tasks.errors import BrokenMovie
from farm_tasks.kitsu.lookup import find_task
from farm_tasks.media import Encoding, find_frames, make_movie
from farm_tasks.sandbox import SandboxInfo
from tests.chaos.census import Publish
from tests.chaos.crew import kill_slots, kill_whole
from tests.chaos.phases import ON_THE_ROAD, Fault, Phase, Plan
from tests.chaos.stage import Stage, running_stage
from tests.support.frames import exr_frames
from tests.support.media import digest, movie, noise
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos

RECOVERY = 150.0
"""Seconds in which all is done after the worst."""

SIZE = (160, 90)
MANY = 700
"""Frames: they are not all encoded before the first of them is heard of."""

OPTIONS: dict[str, Any] = {"fps": "24000/1001", "burn_in": ["shot"]}


@pytest.fixture
def small_stage(sandbox: SandboxInfo, tmp_path: Path) -> Iterator[Stage]:
    with running_stage(sandbox, tmp_path, 2) as stage:
        yield stage


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


def fill(stage: Stage, phases: Sequence[Phase]) -> list[Publish]:
    """One held in each phase, and one in the middle of its frames."""
    frames = exr_frames(stage.folder / "frames", 1001, MANY, SIZE)
    plans = [stage.plan(phase) for phase in phases]
    held = [publish_frames(stage, plan, frames, 2) for plan in plans]
    encoding = publish_frames(stage, stage.plan(Phase.QUEUED, Fault.NONE), frames, MANY)
    for plan in plans:
        wait_until(plan.reached.is_set, 60)
    wait_until(lambda: encoding.submission.progress().frames_done > 0, 60, every=0.02)
    return [*held, encoding]


def scratch(stage: Stage, name: str) -> Path:
    """Another machine has its scratch folder elsewhere, and sees no other's."""
    return stage.crew.folder / "scratch" / name


def assert_each_is_there_once(stage: Stage, publishes: list[Publish], left: Path) -> None:
    stage.wait(publishes, RECOVERY)
    stage.assert_each_is_there_once(publishes)
    for one in publishes:
        [preview] = one.submission.record().result["previews"]
        assert preview["sha256"] == one.sha256
        assert preview["revision"] == 1
    assert list(left.iterdir()) == []


def test_each_publish_of_frames_is_in_kitsu_once_after_its_worker_died(stage: Stage) -> None:
    """kill -9 of the worker and all its processes; another one takes over."""
    worker = stage.crew.hire_impatient(FARM_TASKS_SCRATCH=str(scratch(stage, "first")))
    publishes = fill(stage, ON_THE_ROAD)
    kill_whole(worker)
    assert list(scratch(stage, "first").glob("*/.beauty.mp4.*.part")), "not in mid-encoding"
    stage.release()
    stage.crew.hire_impatient(FARM_TASKS_SCRATCH=str(scratch(stage, "second")))
    assert_each_is_there_once(stage, publishes, scratch(stage, "second"))


def test_each_publish_of_frames_is_in_kitsu_once_after_its_slot_was_lost(stage: Stage) -> None:
    """kill -9 of every pool process; the worker makes new ones."""
    worker = stage.crew.hire(FARM_TASKS_SCRATCH=str(scratch(stage, "first")))
    publishes = fill(stage, stage.chance.sample(ON_THE_ROAD, 4))
    kill_slots(worker)
    stage.release()
    assert_each_is_there_once(stage, publishes, scratch(stage, "first"))


SUBMIT = """
import json, sys
from farm_tasks import submit
print(submit.publish(**json.loads(sys.argv[1])).id)
"""


def submit_twice(arguments: dict[str, Any]) -> str:
    """From two processes at once; they get one submission."""
    command = [sys.executable, "-c", SUBMIT, json.dumps(arguments)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    [submission] = {one.communicate(timeout=60)[0].strip() for one in both}
    assert [one.returncode for one in both] == [0, 0]
    return submission


def test_one_key_is_one_publish_while_it_runs_after_it_failed_and_after_it_ended(
    small_stage: Stage,
) -> None:
    stage = small_stage
    stage.crew.hire_impatient(FARM_TASKS_SCRATCH=str(scratch(stage, "first")))
    plan, task = stage.plan(Phase.ANSWER_LOST), stage.new_task()
    frames = exr_frames(stage.folder / "frames", 1001, 3, SIZE)
    expected = expected_movie(stage, task, frames, "1001-1003", stage.folder / plan.tag)
    other = noise(stage.folder / "other.mp4", 20_000)
    arguments = {
        "task": task,
        "previews": [str(other)],
        "comment": plan.tag,
        "frames": frames,
        "thumbnail": "last",
        "key": f"deadline:{plan.tag}",
        **OPTIONS,
    }
    submission = submit.Submission.load(submit_twice(arguments))
    wait_until(plan.reached.is_set, 60)
    assert submit_twice(arguments) == submission.id
    plan.go.set()
    # It fails at the second preview, which is no movie, and goes on from there.
    with pytest.raises(BrokenMovie):
        submission.wait(60)
    assert list(scratch(stage, "first").iterdir()) == []
    [comment] = comments(stage, task)
    [made] = comment["previews"]
    movie(stage.sandbox, other)
    assert submit_twice(arguments) == submission.id
    result = submission.wait(60)
    assert submit_twice(arguments) == submission.id
    assert submission.wait(1) == result

    assert [one["id"] for one in comments(stage, task)] == [comment["id"]]
    assert result["comment"]["id"] == comment["id"]
    [comment] = comments(stage, task)
    told, there = result["previews"], comment["previews"]
    assert {one["id"] for one in told} == {one["id"] for one in there}
    assert len(told) == len(there) == 2
    first, second = result["previews"]
    assert first["id"] == made["id"]
    assert first["sha256"] == digest(expected)
    assert second["sha256"] == digest(other)
    assert first["revision"] == second["revision"] == result["revision"] == 1
    kept = stage.folder / "kept.mp4"
    gazu.files.download_preview_file(first["id"], str(kept), client=stage.kitsu)
    assert digest(kept) == digest(expected)
    assert list(scratch(stage, "first").iterdir()) == []


def comments(stage: Stage, task: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gazu.task.all_comments_for_task(task, client=stage.kitsu)
    return found
