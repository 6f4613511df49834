"""How each contender's one transfer is run and measured."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.acceptance.farm import Farm
from tests.benchmarks.peers import peak
from tests.support.discarding_kitsu import WORKING_FILE, DiscardingKitsu
from tests.support.waiting import wait_until

SMALL = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One transfer.

    Attributes:
        seconds: Wall time of the transfer alone, without the start of its process.
        cpu: User and system seconds of the process that moves the bytes.
        peak: The most memory that it ever had, in bytes.
        more: What only some contenders tell.
    """

    seconds: float
    cpu: float
    peak: int
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """What a contender is given: a file to send, or a path to write where nothing is yet.

    Attributes:
        direction: ``up`` or ``down``.
        small: A file that is moved first, so that everything is loaded and logged in.
        ca: Who has certified the server, if it speaks TLS.
    """

    direction: str
    kitsu: DiscardingKitsu
    path: Path
    small: Path
    size: int
    ca: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find the server, and to trust it."""
        # requests has its variable win over what its session was told (its issue 3829).
        names = [] if self.ca is None else ["KITSU_CA_FILE", "REQUESTS_CA_BUNDLE"]
        return {**self.kitsu.environment(), **dict.fromkeys(names, str(self.ca))}

    def prepare(self) -> None:
        if self.direction == "down":
            self.path.unlink(missing_ok=True)
        # A connection for each, as curl has: a congestion control such as BBR remembers on one that
        # it was disturbed, and that one stays slower by a third for good.
        self.kitsu.serve(self.size, hang_up=True)


Contender = Callable[[Round], Sample]


@contextlib.contextmanager
def python(name: str, given: Round) -> Iterator[Contender]:
    """A peer of :mod:`tests.benchmarks.peers`, in a process that lasts for all rounds."""
    small = given.small if given.direction == "up" else given.path.with_suffix(".small")
    given.kitsu.serve(SMALL, hang_up=True)
    command = [
        sys.executable, "-m", "tests.benchmarks.peers", f"{name} {given.direction}",
        str(small), str(given.path),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, **given.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:  # ends when its standard input is closed
        if process.stdout.readline() != "ready\n":
            raise AssertionError(f"{name} did not start")

        def run(given: Round) -> Sample:
            given.prepare()
            process.stdin.write("go\n")
            process.stdin.flush()
            return Sample(**json.loads(process.stdout.readline()))

        yield run


def curl(given: Round) -> Sample:
    """Its own figure of the time; the CPU of its start (some 10 ms) is counted with the rest."""
    given.prepare()
    file = (
        ["-F", f"file=@{given.path}", "-o", os.devnull]
        if given.direction == "up"
        else ["-o", str(given.path)]
    )
    trust = [] if given.ca is None else ["--cacert", str(given.ca)]
    process = subprocess.Popen(
        ["curl", "-sS", "--fail", "-w", "%{time_total}", *trust, *file, given.kitsu.file_url],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    most = 0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        most = max(most, peak(process.pid))
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    with process:
        seconds = float(process.stdout.read())
    if process.returncode:
        raise AssertionError(f"curl ended with {process.returncode}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, most)


def curl_and_fsync(given: Round) -> Sample:
    """curl, and what makes its file last, as ours does."""
    sample = curl(given)
    begun = time.perf_counter()
    with given.path.open("rb+") as file:
        os.fsync(file.fileno())
    return Sample(sample.seconds + time.perf_counter() - begun, sample.cpu, sample.peak)


def has_curl() -> bool:
    return shutil.which("curl") is not None


def task(farm: Farm) -> Contender:
    """The whole road: from the submission to ``wait`` returning, progress on."""

    def run(given: Round) -> Sample:
        given.prepare()
        (child,) = farm.worker.children()
        restart_peak(child.pid)
        before = cpu_of(child), cpu_of(psutil.Process(farm.worker.pid))
        begun = time.perf_counter()
        submission = submit_it(given.direction, given.path)
        submission.wait(300)
        seconds = time.perf_counter() - begun
        after = cpu_of(child), cpu_of(psutil.Process(farm.worker.pid))
        return Sample(
            seconds,
            after[0] - before[0],
            peak(child.pid),
            {"in_worker": runtime(farm, submission), "cpu_of_main": after[1] - before[1]},
        )

    return run


def submit_it(direction: str, path: Path) -> Submission:
    if direction == "up":
        return submit.upload_working_file(WORKING_FILE, str(path))
    return submit.download_working_file(WORKING_FILE, str(path))


def runtime(farm: Farm, submission: Submission) -> float:
    """Seconds that the task ran for, by the worker's own log."""
    pattern = re.compile(rf"\[{submission.id}\] succeeded in ([\d.]+)s")
    return float(wait_until(lambda: pattern.search(farm.worker.log.read_text()), 5)[1])


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def restart_peak(process: int) -> None:
    """Let VmHWM begin anew (clear_refs in proc(5))."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
