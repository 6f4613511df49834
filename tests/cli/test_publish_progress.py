from __future__ import annotations

import os
import uuid
from pathlib import Path

from farm_tasks import submit
from farm_tasks.errors import EntityNotFound
from farm_tasks.farms import client
from farm_tasks.farms.client import content_of
from farm_tasks.states import FAILURE, SUCCESS
from farm_tasks.submit import Submission
from farm_tasks.submit.record import read
from farm_tasks.transfer.progress import Progress
from tests.cli.command_line import COMMAND, run, started
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


def test_a_farm_hears_once_why_it_failed(farm: dict[str, str], tmp_path: Path) -> None:
    movie = tmp_path / "comp.mov"
    movie.write_bytes(b"1")
    with started(
        "publish", "--task", str(uuid.uuid4()), str(movie), "--progress", "openjd", env=farm
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        one = process.stdout.readline().strip()
        assert process.stdout.readline().startswith("openjd_status: ")
        assert process.stdout.readline() == "openjd_progress: 0.0\n"
        store(one, FAILURE, EntityNotFound("No such task.\nopenjd_env: A=1"))
        *_, last = process.stdout.read().splitlines()
        assert process.stderr.read() == ""
        assert last.startswith("openjd_fail: comp.mov: failed: No such task. openjd\\x5fenv")
        assert process.wait(20) == 3


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


def test_a_request_of_the_client_is_submitted_from_the_spool(
    farm: dict[str, str], tmp_path: Path
) -> None:
    asked = {"task": str(uuid.uuid4()), "previews": [str(tmp_path / "comp.mov")], "revision": 3}
    umask = os.umask(0o077)
    try:
        path = client.write(str(tmp_path), asked, "tractor:7:ab", "high", "job 7")
    finally:
        os.umask(umask)
    assert Path(path).stat().st_mode & 0o777 == 0o640
    done = run("spool", "flush", "--spool", str(tmp_path), env=farm)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    record = Submission.load(client.run(COMMAND, asked, "tractor:7:ab")).record()
    assert record.arguments == {**asked, "wait_until_ready": True}
    assert (record.key, record.priority, record.farm_job) == ("tractor:7:ab", "high", "job 7")


def test_a_request_of_a_windows_client_is_mapped_by_who_submits_it(
    farm: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    path_map = tmp_path / "paths.toml"
    path_map.write_text('[projects]\nlinux = "/mnt/projects"\nwindows = ["P:\\\\"]\n')
    asked = {"task": str(uuid.uuid4()), "previews": ["P:\\demo\\comp.mov"]}
    client.write(str(tmp_path / "spool"), asked, "k")
    farm = {**farm, "FARM_TASKS_PATH_MAP": str(path_map)}
    done = run("spool", "flush", "--spool", str(tmp_path / "spool"), "--json", env=farm)
    assert done.returncode == 0, done.stdout + done.stderr
    [record] = submit.recent()
    assert record.arguments["previews"] == ["/mnt/projects/demo/comp.mov"]
