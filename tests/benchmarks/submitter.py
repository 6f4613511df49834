"""A submitter as a process of its own: ``python -m tests.benchmarks.submitter``.

For each line with a number it submits that many downloads, and prints what that took as JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.discarding_kitsu import WORKING_FILE


@dataclass(frozen=True)
class Submitted:
    """What some submissions took.

    Attributes:
        count: How many.
        seconds: From the first to the last.
        cpu: User and system seconds of the submitter.
    """

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Submissions per second."""
        return self.count / self.seconds


class Submitter:
    """The process, with this one's environment."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.submitter", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        if self._out.readline() != "ready\n":
            raise AssertionError("the submitter did not start")

    def begin(self, count: int) -> None:
        """Have it submit so many."""
        self._in.write(f"{count}\n")
        self._in.flush()

    def end(self) -> Submitted:
        """Wait until they are submitted."""
        return Submitted(**json.loads(self._out.readline()))

    def submit(self, count: int) -> Submitted:
        self.begin(count)
        return self.end()

    def stop(self) -> None:
        self._in.close()
        self._process.wait(10)
        self._out.close()


@contextlib.contextmanager
def running_submitters(folder: str, count: int) -> Iterator[list[Submitter]]:
    running: list[Submitter] = []
    try:
        running.extend(Submitter(folder) for _ in range(count))
        yield running
    finally:
        for one in running:
            one.stop()


def main() -> None:
    from farm_tasks import submit

    folder = f"{sys.argv[1]}/{uuid.uuid4().hex}"
    number = 0
    submit.recent(1)  # everything is loaded, and connected
    print("ready", flush=True)
    for line in sys.stdin:
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            submit.download_working_file(WORKING_FILE, f"{folder}_{number:06}.ma")
            number += 1
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        print(json.dumps({"count": int(line), "seconds": seconds, "cpu": cpu}), flush=True)


if __name__ == "__main__":
    main()
