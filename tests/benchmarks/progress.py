"""Progress: what reporting costs, how late a submitter sees it, and what many who watch cost."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator

from farm_tasks.states import PROGRESS
from farm_tasks.submit import Submission, feed
from tests.acceptance.farm import MB, Farm, running_farm
from tests.benchmarks import reporting_cost, watching_cost
from tests.benchmarks.contenders import submit_it
from tests.benchmarks.report import Figure, Findings, Promise, Table, percentile
from tests.benchmarks.run import Run

STEADY = 20 * MB
"""Bytes per second of the transfers whose bytes are followed to the eye."""

LOOKS = 2
"""Whoever watches looks twice at first, before and after Redis has the subscription."""


def measure(run: Run) -> Findings:
    found = Findings([], [])
    reporting_cost.measure(run, found)
    _measure_delay(run, found)
    watching_cost.measure(run, found)
    return found


def _measure_delay(run: Run, found: Findings) -> None:
    """From the byte to the eye, with nothing else going on."""
    folder = run.folder / "delay"
    folder.mkdir()
    seconds, times = (10.0, 6) if run.full else (3.0, 1)
    late: list[float] = []
    way: list[float] = []
    with running_farm(folder) as farm:
        farm.kitsu.serve(0)
        submit_it("up", farm.new_file("warm.ma", MB)).wait(60)
        farm.kitsu.serve(0, STEADY)
        path = farm.new_file("up.ma", int(STEADY * seconds))
        for number in range(times):
            run.tell(f"from the byte to the eye, {number + 1}/{times}")
            for byte_late, figure_late in _watch_one(farm, submit_it("up", path)):
                late += byte_late
                way.append(figure_late)
    rows = [
        (
            name,
            str(len(values)),
            *(f"{1000 * percentile(values, share):,.1f}" for share in (0.5, 0.99, 1.0)),
        )
        for name, values in (
            ("a byte, from the server to a figure that has it", late),
            ("a figure, from the worker to the eye", way),
        )
    ]
    columns = ("", "of", "p50, ms", "p99, ms", "most, ms")
    title = f"how late a submitter is, {times} upload{'s' if times > 1 else ''} at 20 MB/s"
    found.tables.append(Table(title, columns, rows))
    figure = Figure.exact(percentile(late, 0.99))
    text = "progress: a byte is seen <= 0.75 s after the server has read it (p99)"
    found.promises.append(Promise(text, figure, 0.75, at_most=True))
    figure = Figure.exact(1000 * percentile(way, 0.99))
    text = "progress: a figure is seen <= 20 ms after it was taken (p99)"
    found.promises.append(Promise(text, figure, 20, at_most=True, digits=1))
    found.samples["delay"] = {"bytes": late[::10], "figures": way}


def _watch_one(farm: Farm, submission: Submission) -> Iterator[tuple[list[float], float]]:
    """For each figure: how late the bytes were that it is the first to have, and itself."""
    number = farm.kitsu.begun
    seen: list[tuple[float, float, int]] = []
    for record in feed.follow([submission.id], 60):
        if record.state == PROGRESS:
            figure = time.time() - record.progress.updated
            seen.append((time.monotonic(), figure, record.progress.bytes_read))
    transfer = farm.kitsu.transfer(number)
    if len(seen) <= LOOKS:
        raise AssertionError(f"only {len(seen)} figures of a transfer were seen")
    # The first were found by a look at the record, and are as old as that was.
    before = seen[LOOKS - 1][2]
    for moment, figure, count in seen[LOOKS:]:
        first = bisect.bisect_right(transfer.counts, before)
        last = bisect.bisect_right(transfer.counts, count)
        # Readings of the server are 64 KiB apart, so each stands for as many bytes.
        yield [moment - when for when in transfer.times[first:last]], figure
        before = max(before, count)
