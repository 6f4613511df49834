"""When a worker may begin the next transfer; those of whole workers are in tests/operations."""

from __future__ import annotations

import pytest

from farm_tasks.worker.limits import MADE_UP, StartRate


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_beginnings_are_spread_evenly() -> None:
    clock = _Clock()
    starts = StartRate(lambda: 2.0, clock)
    assert starts.wait() == 0
    starts.begin()
    assert starts.wait() == 0.5
    clock.now += 0.5
    assert starts.wait() == 0


def test_a_loop_that_is_late_makes_up_for_it_and_a_pause_is_not_made_up_for() -> None:
    clock = _Clock()
    starts = StartRate(lambda: 2.0, clock)
    starts.begin()
    clock.now += 0.6
    starts.begin()
    assert starts.wait() == pytest.approx(0.4)
    clock.now += 3600
    starts.begin()
    assert starts.wait() == pytest.approx(0.5 - MADE_UP)


def test_a_new_hour_counts_at_once() -> None:
    clock, rates = _Clock(), [1 / 3600, None, 60.0]
    starts = StartRate(lambda: rates[0], clock)
    starts.begin()
    assert starts.wait() == 3600
    rates.pop(0)
    assert starts.wait() == 0
    rates.pop(0)
    assert 0 < starts.wait() < 0.02
