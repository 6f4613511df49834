"""Workers and Redis die while a publish is in every phase at once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from farm_tasks import queues
from tests.chaos.census import Publish
from tests.chaos.crew import is_alive, kill_slots, kill_whole, terminate
from tests.chaos.phases import IMPATIENT, ON_THE_ROAD, Fault, Phase
from tests.chaos.stage import Stage
from tests.support.waiting import wait_until
from tests.support.worker import Worker

pytestmark = pytest.mark.chaos

RECOVERY = 240.0
"""Seconds in which all is done after the worst: two leases, and the retries' waits."""

GRACE = 2.0


def fill_every_phase(stage: Stage) -> list[Publish]:
    """One publish held in each phase that the road sees, one at its acknowledgement, one queued."""
    phases = sorted(ON_THE_ROAD, key=IMPATIENT.__contains__)
    plans = [stage.plan(phase) for phase in (*phases, Phase.ANSWER_LOST)]
    queued_plan = stage.plan(Phase.QUEUED, Fault.NONE)
    tasks = [stage.new_task() for _ in (*plans, queued_plan)]
    held = [stage.publish(*pair) for pair in zip(plans, tasks[:-1], strict=True)]
    for plan in plans:
        wait_until(plan.reached.is_set, 30)
    queued = stage.publish(queued_plan, tasks[-1])
    stage.hold_acknowledgement(held[-1])
    assert queued.submission.state == "QUEUED"
    time.sleep(stage.chance.uniform(0.0, 0.3))
    return [*held, queued]


def die(stage: Stage, worker: Worker) -> None:
    """kill -9 of the worker and all its processes; another one takes over."""
    kill_whole(worker)
    stage.release()
    stage.crew.hire()


def lose_the_slots(stage: Stage, worker: Worker) -> None:
    """kill -9 of every pool process; the worker makes new ones."""
    kill_slots(worker)
    stage.release()


def end_gracefully(stage: Stage, worker: Worker) -> None:
    """SIGTERM with less grace than the transfers need; another worker takes over."""
    terminate(worker)
    stage.broker_road.release()
    wait_until(lambda: not is_alive(worker), GRACE + 60)  # billiard may wait half a minute itself
    stage.release()
    stage.crew.hire()


def restart_redis(stage: Stage, worker: Worker) -> None:
    """kill -9 of Redis, which keeps an append-only file."""
    stage.redis.kill()
    stage.release()
    stage.redis.start()


def lose_redis_for_a_minute(stage: Stage, worker: Worker) -> None:
    """Redis is away for 60 s. Half of what waits goes on meanwhile, half afterwards."""
    stage.redis.kill()
    stage.broker_road.release()
    for publish in stage.chance.sample(stage.publishes, len(stage.publishes) // 2):
        publish.plan.go.set()
    time.sleep(60)
    stage.redis.start()
    stage.release()


def test_each_publish_is_in_kitsu_once_after_another_machine_died(stage: Stage) -> None:
    """Here nobody can see that its processes are gone: leases have to run out."""
    worker = stage.crew.hire_elsewhere()
    publishes = fill_every_phase(stage)
    die(stage, worker)
    stage.wait(publishes, RECOVERY)
    stage.assert_each_is_there_once(publishes)


@pytest.mark.parametrize(
    "strike", [die, lose_the_slots, end_gracefully, restart_redis, lose_redis_for_a_minute]
)
def test_each_publish_is_in_kitsu_once(
    strike: Callable[[Stage, Worker], None], stage: Stage
) -> None:
    worker = stage.crew.hire(FARM_TASKS_GRACE_SECONDS=str(GRACE))
    publishes = fill_every_phase(stage)
    strike(stage, worker)
    stage.wait(publishes, RECOVERY)
    stage.assert_each_is_there_once(publishes)


def test_a_message_that_was_on_its_way_to_a_worker_that_died_is_not_lost(stage: Stage) -> None:
    """Redis takes a message off its list when it hands it out; kombu notes it a moment later."""
    worker = stage.crew.hire()
    publish = lost_on_the_way(stage)
    kill_whole(worker)
    stage.broker_road.pass_answers()
    stage.crew.hire()
    stage.wait([publish], RECOVERY)
    stage.assert_each_is_there_once([publish])


def lost_on_the_way(stage: Stage) -> Publish:
    """A publish whose message Redis has handed out and no worker has got."""
    while True:
        plan = stage.plan(Phase.QUEUED, Fault.NONE)
        task, path = stage.new_task(), stage.new_file(plan)
        stage.broker_road.keep_answers()
        publish = stage.submit(plan, task, path)
        with stage.redis.client(0) as client:
            time.sleep(0.2)
            if not any(map(client.llen, queues.ALL)):
                return publish
        stage.broker_road.pass_answers()  # nobody was listening at that moment
        stage.wait([publish], 60)
