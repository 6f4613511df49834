"""What a transfer adds to a worker's memory, whatever its size."""

from __future__ import annotations

from pathlib import Path

from farm_tasks import submit
from tests.acceptance.farm import Farm, running_farm
from tests.benchmarks.contenders import SMALL, restart_peak
from tests.benchmarks.machine import GIB, MIB
from tests.benchmarks.peers import peak
from tests.benchmarks.report import Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.room import roomy_folder

MOST_GROWTH = 24
"""MiB."""


def grown_at_any_size(run: Run, found: Findings) -> None:
    """Measure the growth of a pool process's peak over that of a transfer of 1 MiB."""
    size = 16 * GIB if run.full else 2 * GIB
    folder = run.folder / "memory"
    folder.mkdir()
    more = {"FARM_TASKS_MAX_UPLOAD_BYTES": str(size)}
    with roomy_folder(folder, size) as files, running_farm(folder, files=files, more=more) as farm:
        growth = {}
        for direction, move in (("up", _up), ("down", _down)):
            run.tell(f"memory, {direction}")
            move(farm, SMALL)
            (child,) = farm.worker.children()
            restart_peak(child.pid)
            before = peak(child.pid)
            move(farm, size)
            growth[direction] = (peak(child.pid) - before) / MIB
    row = ("our task", *(f"{growth[one]:.1f}" for one in ("up", "down")))
    found.tables.append(
        Table(f"growth of the peak, {size / GIB:g} GiB, MiB", ("", "up", "down"), [row])
    )
    for direction, grown in growth.items():
        text = f"{direction}load of {size / GIB:g} GiB: memory grows by <= {MOST_GROWTH} MiB"
        figure = Figure.exact(grown)
        found.promises.append(
            Promise(text, figure, MOST_GROWTH, MOST_GROWTH, at_most=True, digits=1)
        )
    found.samples["growth"] = growth


def _up(farm: Farm, size: int) -> None:
    path: Path = farm.new_file("up.ma", size)  # sparse
    number = farm.kitsu.begun
    submit.upload_working_file(WORKING_FILE, str(path)).wait(600)
    if farm.kitsu.moved(number) != size:
        raise AssertionError(f"{farm.kitsu.moved(number)} of {size} bytes arrived")
    path.unlink()


def _down(farm: Farm, size: int) -> None:
    farm.kitsu.serve(size)
    path = farm.folder / "down.ma"
    result = submit.download_working_file(WORKING_FILE, str(path)).wait(600)
    if not result["size"] == path.stat().st_size == size:
        raise AssertionError(f"{path.stat().st_size} of {size} bytes are there")
    path.unlink()
