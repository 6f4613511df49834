"""Memory does not grow with the file: a worker that moves 2 GiB needs what it needs for 1 MiB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from tests.acceptance.farm import MIB, Farm, running_farm
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.room import roomy_folder

pytestmark = pytest.mark.alone

SIZE = 2048 * MIB
MOST_GROWTH = 24 * MIB


@pytest.fixture(scope="module")
def roomy_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One pool process, that has moved a small file both ways."""
    folder = tmp_path_factory.mktemp("farm")
    with roomy_folder(folder, 2 * SIZE) as files, running_farm(folder, files=files) as farm:
        upload(farm, MIB)
        download(farm, MIB)
        yield farm


def upload(farm: Farm, size: int) -> None:
    path = farm.new_file("up.ma", size)
    number = farm.kitsu.begun
    submit.upload_working_file(WORKING_FILE, str(path)).wait(60)
    assert farm.kitsu.moved(number) == size
    path.unlink()


def download(farm: Farm, size: int) -> None:
    farm.kitsu.serve(size)
    path = farm.folder / "down.ma"
    result = submit.download_working_file(WORKING_FILE, str(path)).wait(60)
    assert result["size"] == path.stat().st_size == size
    path.unlink()


def restart_peak(farm: Farm) -> None:
    """Let the peak begin anew at what the process has now (clear_refs in proc(5))."""
    (child,) = farm.worker.children()
    Path(f"/proc/{child.pid}/clear_refs").write_text("5")


def peak(farm: Farm) -> int:
    """The most that the pool's process ever had in memory, in bytes (VmHWM in proc(5))."""
    (child,) = farm.worker.children()
    status = Path(f"/proc/{child.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) * 1024


def test_an_upload_of_2_gib_needs_at_most_24_mib_more_than_one_of_1_mib(roomy_farm: Farm) -> None:
    restart_peak(roomy_farm)
    before = peak(roomy_farm)

    upload(roomy_farm, SIZE)

    growth = peak(roomy_farm) - before
    print(f"{before / MIB:.1f} MiB before, {growth / MIB:.1f} MiB more")
    assert growth <= MOST_GROWTH


def test_a_download_of_2_gib_needs_at_most_24_mib_more_than_one_of_1_mib(roomy_farm: Farm) -> None:
    restart_peak(roomy_farm)
    before = peak(roomy_farm)

    download(roomy_farm, SIZE)

    growth = peak(roomy_farm) - before
    print(f"{before / MIB:.1f} MiB before, {growth / MIB:.1f} MiB more")
    assert growth <= MOST_GROWTH
