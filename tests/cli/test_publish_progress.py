from __future__ import annotations

import uuid
from pathlib import Path

from farm_tasks.farms.client import content_of
from farm_tasks.states import SUCCESS
from farm_tasks.submit import Submission
from farm_tasks.submit.record import read
from farm_tasks.transfer.progress import Progress
from tests.cli.command_line import run, started
from tests.cli.records import store


def test_a_farm_that_asks_for_progress_gets_it_on_stdout_to_the_end(
    farm: dict[str, str], tmp_path: Path
) -> None:
    movie = tmp_path / "comp.mov"
    movie.write_bytes(b"1")
    with started(
        "publish", "--task", str(uuid.uuid4()), str(movie), "--progress", "openjd", env=farm
    ) as process:
        assert process.stdout is not None
        one = process.stdout.readline().strip()
        assert process.stdout.readline().startswith("openjd_status: ")
        assert process.stdout.readline() == "openjd_progress: 0.0\n"
        store(one, SUCCESS, {}, Progress(5, 5, file=str(movie)))
        assert process.stdout.readline() == "openjd_status: comp.mov: done\n"
        assert process.stdout.readline() == "openjd_progress: 100.0\n"
        assert process.wait(20) == 0


def test_a_key_can_hold_what_the_files_are(farm: dict[str, str], tmp_path: Path) -> None:
    movie = tmp_path / "comp.mov"
    movie.write_bytes(b"1")
    arguments = ["publish", "--task", str(uuid.uuid4()), str(movie), "--key", "tractor:7:{content}"]
    first, again = (run(*arguments, env=farm).stdout for _ in range(2))
    assert first == again
    assert read(first.strip()).key == f"tractor:7:{content_of([str(movie)])}"
    movie.write_bytes(b"rendered again")
    assert run(*arguments, env=farm).stdout != first


def test_who_only_hands_over_does_not_wait(farm: dict[str, str], tmp_path: Path) -> None:
    movie = tmp_path / "comp.mov"
    movie.write_bytes(b"1")
    done = run("publish", "--task", str(uuid.uuid4()), str(movie), "--no-wait", "--progress", "alf",
               env=farm)  # fmt: skip
    assert done.returncode == 0
    assert Submission(done.stdout.strip()).state == "QUEUED"
