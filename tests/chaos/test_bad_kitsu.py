"""Kitsu and the road to it fail, in every phase of a publish."""

from __future__ import annotations

import time

import pytest

from tests.chaos import kitsu
from tests.chaos.phases import BEFORE_KITSU, ON_THE_ROAD, Fault
from tests.chaos.stage import Stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos


def test_each_publish_is_in_kitsu_once_after_a_silence_that_outlasts_every_timeout(
    lasting_stage: Stage,
) -> None:
    stage = lasting_stage
    publishes = [stage.publish(stage.plan(phase, Fault.STALL)) for phase in ON_THE_ROAD]
    stage.wait(publishes, 240)
    assert [str(one.plan) for one in publishes if not one.plan.reached.is_set()] == []
    stage.assert_each_is_there_once(publishes)


@pytest.mark.parametrize(
    "fault", [Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.RESET, Fault.LOSE]
)
def test_each_publish_is_in_kitsu_once_after(fault: Fault, lasting_stage: Stage) -> None:
    stage = lasting_stage
    phases = BEFORE_KITSU if fault is Fault.TOO_MANY else ON_THE_ROAD
    publishes = [stage.publish(stage.plan(phase, fault)) for phase in phases]
    stage.wait(publishes, 120)
    assert [str(one.plan) for one in publishes if not one.plan.reached.is_set()] == []
    stage.assert_each_is_there_once(publishes)


def test_each_publish_is_in_kitsu_once_after_kitsu_was_killed_and_away_for_a_minute(
    lasting_stage: Stage,
) -> None:
    stage = lasting_stage
    publishes = [stage.publish(stage.plan(phase)) for phase in ON_THE_ROAD]
    for one in publishes:
        wait_until(one.plan.reached.is_set, 30)
    time.sleep(stage.chance.uniform(0.0, 0.3))
    # What Kitsu has not got is lost, and so is what it has answered.
    for one in publishes:
        one.plan.is_dropped = True
    stage.road.cut_all()
    stage.release()
    kitsu.restart(stage.sandbox, away=60)
    stage.wait(publishes, 400)  # by then a retry may wait for two minutes
    stage.assert_each_is_there_once(publishes)
