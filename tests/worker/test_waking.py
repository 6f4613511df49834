"""A slot that is free takes the next message at once, whatever the pool."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from farm_tasks import submit
from farm_tasks.worker import waking
from farm_tasks.worker.waking import WakeablePoller
from tests.acceptance.farm import running_farm

ID = "5d1f2f4e-6f2b-4f4e-9d0a-0d6c0f5f5a11"


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_small_files_do_not_wait_for_a_timer(tmp_path: Path, pool: str) -> None:
    with running_farm(tmp_path, pool, concurrency=2) as farm:
        submit.download_preview_file_thumbnail(ID, str(farm.folder / "first.png")).wait(30)
        begun = time.monotonic()
        submissions = [
            submit.download_preview_file_thumbnail(ID, str(farm.folder / f"{number}.png"))
            for number in range(60)
        ]
        submit.Group.of(submissions).wait(60)
    # A timer comes by once or twice a second, and would find two free slots each time.
    assert time.monotonic() - begun < 12


def test_a_poller_that_sleeps_wakes_when_it_is_rung() -> None:
    poller = WakeablePoller()
    poller.hear(SimpleNamespace())
    ringing = threading.Timer(0.1, poller.ring)
    ringing.start()
    begun = time.monotonic()
    poller.get(None, timeout=30)
    assert time.monotonic() - begun < 10
    ringing.join()
    poller.close()


def test_a_poller_does_not_wake_itself() -> None:
    poller = WakeablePoller()
    poller.hear(SimpleNamespace())
    poller.ring()
    assert not poller.poller.poll(0)
    poller.close()


def test_ringing_for_a_loop_that_is_gone_does_nothing() -> None:
    poller = WakeablePoller()
    poller.ring()
    poller.hear(SimpleNamespace())
    poller.close()
    thread = threading.Thread(target=poller.ring)
    thread.start()
    thread.join()


def test_who_rings_while_the_loop_closes_the_bell_does_not_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poller = WakeablePoller()
    poller.hear(SimpleNamespace())
    looking, closed, failures = threading.Event(), threading.Event(), []
    get_ident = threading.get_ident

    def look() -> int:
        looking.set()
        closed.wait(10)
        return get_ident()

    def ring() -> None:
        try:
            poller.ring()
        except Exception as error:
            failures.append(error)

    # What ring looks at last, before it rings.
    monkeypatch.setattr(waking, "threading", SimpleNamespace(get_ident=look))
    thread = threading.Thread(target=ring)
    thread.start()
    assert looking.wait(10)
    poller.close()
    closed.set()
    thread.join()
    assert not failures


def test_a_bell_that_nobody_reads_does_not_hold_up_who_rings_it() -> None:
    poller = WakeablePoller()
    poller.hear(SimpleNamespace())
    thread = threading.Thread(target=lambda: [poller.ring() for _ in range(100_000)])
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    poller.close()
