"""What is asked for twice happens once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farm_tasks.kitsu.ledger import SETTLING
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit.connection import sender
from tests.chaos.census import Publish
from tests.chaos.phases import IMPATIENT, ON_THE_ROAD, Fault, Phase
from tests.chaos.stage import Stage, running_stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos

TIMES = 20


@pytest.fixture
def roomy_stage(sandbox: SandboxInfo, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose worker has a second slot for each publish: both copies of a message can run."""
    with running_stage(sandbox, tmp_path, 2 * len(ON_THE_ROAD)) as stage:
        stage.crew.hire()
        yield stage


def test_one_key_submitted_many_times_at_once_is_one_publish_and_one_answer(
    lasting_stage: Stage,
) -> None:
    stage = lasting_stage
    plan = stage.plan(Phase.HALF_WAY)
    task = stage.new_task()
    path = stage.new_file(plan)
    together = threading.Barrier(TIMES)

    def submit_one(_number: int) -> Publish:
        together.wait()
        return stage.submit(plan, task, path, key=f"deadline:{plan.tag}")

    with ThreadPoolExecutor(TIMES) as pool:
        publishes = list(pool.map(submit_one, range(TIMES)))
    assert len({one.submission.id for one in publishes}) == 1
    wait_until(plan.reached.is_set, 30)
    while_running = stage.submit(plan, task, path, key=f"deadline:{plan.tag}")
    plan.go.set()
    stage.wait(publishes, 60)
    afterwards = stage.submit(plan, task, path, key=f"deadline:{plan.tag}")
    answers = [one.submission.wait(10) for one in (*publishes, while_running, afterwards)]
    assert answers == [answers[0]] * (TIMES + 2)
    stage.assert_each_is_there_once(publishes[:1])


def deliver_twice(publish: Publish) -> None:
    """Put the same message into the queue once more."""
    sender().send_task(
        "farm_tasks.publish_preview",
        kwargs=publish.submission.record().arguments,
        task_id=publish.submission.id,
    )


def deliveries(stage: Stage, publish: Publish) -> int:
    """How often a worker has got its message."""
    return len(stage.crew.lines_about(f"publish_preview[{publish.submission.id}] received"))


@pytest.mark.parametrize("way", ["another message", "connections reset"])
def test_a_second_copy_of_a_message_that_is_worked_on_has_no_effect(
    way: str, roomy_stage: Stage
) -> None:
    stage = roomy_stage
    # Those whose worker waits no longer than 15 s come last.
    phases = sorted(ON_THE_ROAD, key=IMPATIENT.__contains__)
    publishes = [stage.publish(stage.plan(phase)) for phase in phases]
    for one in publishes:
        wait_until(one.plan.reached.is_set, 30)
    if way == "another message":
        for one in publishes:
            deliver_twice(one)
    else:
        with stage.redis.client(0) as client:
            client.client_kill_filter(_type="normal", skipme=True)
    for one in publishes:
        wait_until(lambda one=one: deliveries(stage, one) > 1, 30)
    time.sleep(SETTLING + 3)  # a second owner would take what is under way for lost by then
    stage.release()
    stage.wait(publishes, 120)
    stage.assert_each_is_there_once(publishes)


def test_a_message_that_comes_again_after_the_end_has_no_effect(lasting_stage: Stage) -> None:
    stage = lasting_stage
    publish = stage.publish(stage.plan(Phase.QUEUED, Fault.NONE))
    stage.wait([publish], 60)
    before = publish.submission.wait(1)
    deliver_twice(publish)
    wait_until(lambda: deliveries(stage, publish) > 1, 30)
    # Behind the copy in the same queue, and on the same slots.
    others = [stage.publish(stage.plan(Phase.QUEUED, Fault.NONE)) for _ in range(12)]
    stage.wait(others, 60)
    assert publish.submission.wait(10) == before
    stage.assert_each_is_there_once([publish, *others])
