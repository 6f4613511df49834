"""Submitters that watch, many in a process: ``python -m tests.benchmarks.watchers IDS``.

Each thread is one of them and follows one submission with ``Submission.watch``. For each line of
standard input the process tells the delays since the line before: from the worker's reading of a
transfer to this process's having it, in seconds. It ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from farm_tasks.submit import Submission

PROCESSES = 4


def main() -> None:
    ids = json.loads(sys.argv[1])
    delays: list[float] = []
    looking = threading.Semaphore(0)
    for one in ids:
        threading.Thread(target=_watch, args=(one, delays, looking), daemon=True).start()
    for _ in ids:
        looking.acquire()
    print("ready", flush=True)
    for _ in sys.stdin:
        told = delays[:]
        del delays[: len(told)]
        print(json.dumps(told), flush=True)
    os._exit(0)


def _watch(submission_id: str, delays: list[float], looking: threading.Semaphore) -> None:
    for number, progress in enumerate(Submission(submission_id).watch()):
        seen = time.time()
        # The first is the record as it was found. With the second it has looked once more, after it
        # subscribed; what comes from then on is pushed.
        if number > 0:
            delays.append(seen - progress.updated)
        if number == 1:
            looking.release()


class Watchers:
    """So many of them, spread over the submissions and over some processes.

    Args:
        submissions: What they watch.
        count: How many they are.
    """

    def __init__(self, submissions: Sequence[Submission], count: int) -> None:
        ids = [submissions[number % len(submissions)].id for number in range(count)]
        shares = [ids[number::PROCESSES] for number in range(PROCESSES)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.watchers", json.dumps(share)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for share in shares
            if share
        ]
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise AssertionError("the watchers did not start")

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._processes]

    def delays(self) -> list[float]:
        """Those since this was last asked, in seconds."""
        told: list[float] = []
        for process in self._processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            told += json.loads(process.stdout.readline())
        return told

    def stop(self) -> None:
        for process in self._processes:
            process.communicate()


@contextlib.contextmanager
def watching(submissions: Sequence[Submission], count: int) -> Iterator[Watchers]:
    watchers = Watchers(submissions, count)
    try:
        yield watchers
    finally:
        watchers.stop()


if __name__ == "__main__":
    main()
