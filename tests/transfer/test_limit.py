"""The limiter's promises that need no transfer; those of whole workers are in tests/operations."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from farm_tasks.transfer.limit import BURST, Lane, _Lock
from tests.support.waiting import wait_until


def _go_on() -> None:
    pass


def test_pieces_are_whole_while_nothing_is_limited() -> None:
    lane = Lane(lambda: None)
    assert lane.piece(512 * 1024) == 512 * 1024
    before = time.monotonic()
    lane.wait(10**12, _go_on)
    assert time.monotonic() - before < 0.1


def test_pieces_are_small_enough_for_an_even_bar() -> None:
    assert Lane(lambda: 2e6).piece(512 * 1024) == 100_000
    assert Lane(lambda: 1e9).piece(512 * 1024) == 512 * 1024
    assert Lane(lambda: 1e3).piece(512 * 1024) == 4096


def test_threads_share_a_lane() -> None:
    lane, moved = Lane(lambda: 10e6), 0.5 * 10e6
    begun = time.monotonic()

    def move() -> None:
        for _ in range(10):
            lane.wait(int(moved / 40), _go_on)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 0.5 - BURST - 0.02 <= time.monotonic() - begun < 2.5


def test_a_stop_is_heard_while_waiting_for_a_turn() -> None:
    lane, begun = Lane(lambda: 1000.0), time.monotonic()
    lane.wait(60_000, _go_on)

    def check() -> None:
        if time.monotonic() - begun > 0.1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        lane.wait(1, check)
    assert time.monotonic() - begun < 20


def test_a_limit_that_is_lifted_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm_tasks.transfer.limit.LOOK_EVERY", 0.05)
    rates: list[float | None] = [1000.0]
    lane, begun = Lane(lambda: rates[0]), time.monotonic()
    lane.wait(60_000, _go_on)
    threading.Timer(0.1, lambda: rates.__setitem__(0, 1e9)).start()
    lane.wait(1, _go_on)  # a minute away
    lane.wait(1, _go_on)
    assert time.monotonic() - begun < 20


def test_a_lock_whose_owner_is_killed_is_free_again() -> None:
    lock = _Lock()
    assert lock._file is not None
    # A process of its own with the same file, as one that was forked has it.
    code = (
        "import fcntl, sys, time; fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    number = lock._file.fileno()
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(number)], pass_fds=[number], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        waiting = threading.Thread(target=lock.__enter__)
        waiting.start()
        os.kill(holder.pid, signal.SIGKILL)
        wait_until(lambda: not waiting.is_alive(), 5)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
