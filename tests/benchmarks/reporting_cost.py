"""What it costs a transfer to report its progress: the same worker, with reports and without."""

from __future__ import annotations

import json

from tests.acceptance.farm import MB, Farm, running_farm
from tests.benchmarks.contenders import submit_it
from tests.benchmarks.machine import GIB
from tests.benchmarks.report import Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.support.room import roomy_folder

SLOW = 20 * MB
SLOW_SECONDS = 3.0

Costs = dict[str, list[dict[str, float]]]
"""With reports (``on``) and without (``off``): wall and CPU seconds of each transfer."""


def measure(run: Run, found: Findings) -> None:
    size = GIB if run.full else GIB // 2
    turns, slow_turns = (20, 5) if run.full else (10, 1)
    folder = run.folder / "cost"
    folder.mkdir()
    app = "tests.support.optional_reports"
    with (
        roomy_folder(folder, size) as files,
        running_farm(folder, files=files, app=app) as farm,
    ):
        _take_turns(run, farm, 10 * MB, 0, 1)
        fast = _take_turns(run, farm, size, 0, turns)
        slow = _take_turns(run, farm, int(SLOW * SLOW_SECONDS), SLOW, slow_turns)
    rows = []
    for name, costs, times in (
        (f"{size / GIB:g} GiB as fast as it goes", fast, turns),
        (f"{SLOW / MB:g} MB/s for {SLOW_SECONDS:g} s", slow, slow_turns),
    ):
        seconds, cpu = (_ratio(costs, what) for what in ("seconds", "cpu"))
        each = (
            Figure.of(1000 * one["cpu"] / one["seconds"] for one in costs[which])
            for which in ("on", "off")
        )
        rows.append(
            (name, str(times), seconds.text(3), cpu.text(3), *(one.text(0) for one in each))
        )
    columns = ("", "turns", "time, on / off", "CPU, on / off", "CPU ms/s on", "off")
    found.tables.append(Table("what reporting costs an upload", columns, rows))
    for what, name, floor in (("seconds", "time", 1.3), ("cpu", "CPU", 1.5)):
        # The medians of all turns: what it costs is far below what two single ones differ by.
        on, off = (Figure.of(one[what] for one in fast[which]).median for which in ("on", "off"))
        text = f"progress: a transfer with reports takes <= 1.02 of the {name} of one without"
        ratio = Figure.exact(on / off)
        found.promises.append(Promise(text, ratio, 1.02, floor, at_most=True, digits=3))
    found.samples["cost"] = {"fast": fast, "slow": slow}


def _take_turns(run: Run, farm: Farm, size: int, rate: float, turns: int) -> Costs:
    path = farm.new_file("up.ma", size)
    farm.kitsu.serve(0, rate, hang_up=True)
    silent, costs = farm.folder / "silent", farm.folder / "costs"  # of the worker's app
    found: Costs = {"on": [], "off": []}
    for turn in range(turns):
        for which in ("on", "off") if turn % 2 else ("off", "on"):
            run.tell(f"cost of reporting, {turn + 1}/{turns}: {which}")
            if which == "off":
                silent.touch()
            else:
                silent.unlink(missing_ok=True)
            submit_it("up", path).wait(60)
            found[which].append(json.loads(costs.read_text().splitlines()[-1]))
    return found


def _ratio(costs: Costs, what: str) -> Figure:
    return Figure.ratio(
        [one[what] for one in costs["on"]],
        [one[what] for one in costs["off"]],
    )
