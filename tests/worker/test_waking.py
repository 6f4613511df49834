"""A slot that is free takes the next message at once, in whichever pool."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.worker.crew import MB, Crew, running_crew

UPLOADS = 24
LOOP_SLEEPS = 2.0
"""Seconds that the loop may sleep if nothing wakes it."""


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with running_crew(tmp_path_factory.mktemp("crew")) as crew:
        yield crew


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_slot_that_is_free_takes_what_waits_at_once(pool: str, crew: Crew) -> None:
    crew.kitsu.serve(0)
    worker = crew.join(pool, 1, app="farm_tasks")
    crew.upload(1).wait(30)
    begun = time.monotonic()
    for one in [crew.upload(1000 + number) for number in range(UPLOADS)]:
        one.wait(60)
    assert time.monotonic() - begun < UPLOADS * LOOP_SLEEPS / 4
    worker.stop()


def test_slots_that_are_free_all_at_once_take_what_comes_at_once(crew: Crew) -> None:
    slots = 8
    crew.kitsu.serve(0, 4 * MB)
    worker = crew.join("threads", slots, app="farm_tasks")
    for turn in range(4):
        begun = time.monotonic()
        for one in [crew.upload(MB + slots * turn + number) for number in range(slots)]:
            one.wait(60)
        assert time.monotonic() - begun < LOOP_SLEEPS / 2
    worker.stop()
