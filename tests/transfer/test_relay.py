"""Progress that is passed on loses nothing on its way."""

from __future__ import annotations

import pytest

from farm_tasks.errors import Cancelled
from farm_tasks.transfer.progress import SILENCE, Meter, check, follow, on_stop
from farm_tasks.transfer.relay import Share, StageClock


def test_a_share_places_its_step_within_the_whole_and_passes_the_rest_on() -> None:
    meter = Meter()
    share = Share(meter, before=100, total=400)
    share(50, 200)
    share.announce("uploading")
    reading = meter.read()
    assert (reading.bytes_read, reading.total, reading.stage) == (150, 400, "uploading")
    woken: list[bool] = []
    on_stop(share, lambda: woken.append(True))
    meter.stop(Cancelled())
    assert woken == [True]
    with pytest.raises(Cancelled):
        check(share)


def test_a_share_is_asked_for_its_own_step() -> None:
    now = 0.0
    meter = Meter(clock=lambda: now)
    share = Share(meter, before=100, total=400)
    follow(share, lambda: 70)
    now = 2 * SILENCE
    assert meter.read().bytes_read == 170
    follow(share, None)
    assert meter.read().bytes_read == 170


def test_a_share_of_nothing_says_nothing() -> None:
    share = Share(None, 0, 0)
    share(1, 2)
    share.announce("uploading")
    share.follow(lambda: 1)
    share.check()


def test_a_clock_of_stages_adds_up_the_time_of_each_and_passes_them_on() -> None:
    meter = Meter()
    clock = StageClock(meter)
    for stage in ("encoding", "uploading", "encoding"):
        clock.announce(stage)
    assert list(clock.seconds()) == ["encoding", "uploading"]
    assert all(seconds >= 0 for seconds in clock.seconds().values())
    assert meter.stage == "encoding"
