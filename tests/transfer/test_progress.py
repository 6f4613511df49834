"""The figures: what a Progress says, and that a Meter never lies backwards."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.errors import Cancelled
from farm_tasks.transfer.progress import (
    SILENCE,
    Meter,
    Progress,
    announce,
    check,
    follow,
    on_stop,
)

counts = st.integers(0, 2**50)


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    bytes_read=counts,
    total=counts,
    stage=st.text(),
    rate=st.floats(0, 1e12),
    eta=st.none() | st.floats(0, 1e9),
    file=st.text(),
    attempt=st.integers(1, 99),
    updated=st.floats(0, 4e9),
)
def test_a_progress_survives_its_way_through_json(**fields: object) -> None:
    progress = Progress(**fields)  # type: ignore[arg-type]
    travelled = json.loads(json.dumps(progress.to_dict()))
    again = Progress.from_dict(travelled)
    assert again.to_dict() == progress.to_dict()
    assert (again.bytes_read, again.total) == (progress.bytes_read, progress.total)


@given(bytes_read=counts, total=counts)
def test_percent_is_within_0_and_100_or_unknown(bytes_read: int, total: int) -> None:
    percent = Progress(bytes_read=bytes_read, total=total).percent
    if total == 0:
        assert percent is None
    else:
        assert percent is not None
        assert 0 <= percent <= 100


def test_unknown_fields_from_a_newer_worker_are_left_out() -> None:
    assert Progress.from_dict({"bytes_read": 5, "percent": 50.0, "invented": 1}).bytes_read == 5


@given(st.lists(st.tuples(counts, counts), max_size=50))
def test_a_meter_never_falls(calls: list[tuple[int, int]]) -> None:
    meter = Meter()
    highest = 0
    for bytes_read, total in calls:
        meter(bytes_read, total)
        reading = meter.read()
        assert reading.bytes_read >= highest
        highest = reading.bytes_read
    assert highest == max((bytes_read for bytes_read, _ in calls), default=0)


def test_a_body_sent_again_waits_at_its_high_water_mark() -> None:
    meter = Meter()
    seen = []
    for bytes_read in (100, 200, 50, 150, 250):
        meter(bytes_read, 300)
        seen.append(meter.read().bytes_read)
    assert seen == [100, 200, 200, 200, 250]


def test_while_the_one_who_counts_is_silent_a_reading_asks_for_itself() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    arrived = 150
    meter.follow(lambda: arrived)
    clock.now += 1
    meter.moved(100)
    meter(100, 300)
    assert meter.read().bytes_read == 100, "it has just been told"
    clock.now += 2 * SILENCE
    assert meter.read().bytes_read == 150
    arrived = 120
    assert meter.read().bytes_read == 150
    meter.follow(None)
    arrived = 300
    assert meter.read().bytes_read == 150
    meter(200, 300)
    assert meter.read().bytes_read == 200


def test_a_total_once_known_is_not_forgotten() -> None:
    meter = Meter(total=500)
    meter(10, 0)
    assert meter.read().total == 500


def test_rate_and_eta_follow_the_last_seconds_not_the_whole() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    done = 0
    for step in [10] * 60 + [100] * 10:
        done += step
        meter(done, 2000)
        clock.now += 1
        reading = meter.read()
        if done == 600:
            assert reading.rate == pytest.approx(10)
    assert reading.rate == pytest.approx(100)
    assert reading.eta == pytest.approx((2000 - 1600) / 100)


def test_a_transfer_that_stands_still_has_no_eta_and_one_that_is_done_has_none_left() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    meter(10, 100)
    for _ in range(20):
        clock.now += 1
        meter.read()
    assert (meter.read().rate, meter.read().eta) == (0, None)
    meter(100, 100)
    assert meter.read().eta == 0


def test_an_unknown_total_has_no_eta() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    clock.now += 1
    meter(1000, 0)
    assert (meter.read().eta, meter.read().percent) == (None, None)


def test_two_readings_at_one_instant_do_not_divide_by_zero() -> None:
    meter = Meter(clock=Clock())
    meter(10, 10)
    assert meter.read().rate == 0


def test_a_stopped_meter_raises_in_the_thread_that_moves_the_bytes() -> None:
    meter = Meter()
    thread = threading.Thread(target=meter.stop, args=(Cancelled("enough"),))
    thread.start()
    thread.join()
    assert meter.stopped
    with pytest.raises(Cancelled, match="enough"):
        meter(1, 2)
    assert meter.read().bytes_read == 0


def test_stopping_wakes_whoever_asked_for_it() -> None:
    meter = Meter()
    woken: list[str] = []
    meter.on_stop(lambda: woken.append("first"))
    on_stop(meter, lambda: woken.append("second"))
    meter.stop(Cancelled())
    assert woken == ["first", "second"]


def test_plain_callbacks_and_none_are_left_alone() -> None:
    for callback in (None, lambda *_: None):
        announce(callback, "uploading")
        check(callback)
        on_stop(callback, lambda: None)
        follow(callback, lambda: 1)
