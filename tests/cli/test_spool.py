from __future__ import annotations

import contextlib
import json
import signal
import uuid
from pathlib import Path

import psutil
import pytest

from farm_tasks import submit
from farm_tasks.cli import path_checks
from farm_tasks.submit import spool
from tests.cli.command_line import run, started
from tests.cli.test_worker import worker
from tests.support.environment import environment_of
from tests.support.redis_server import free_port
from tests.support.waiting import wait_until

TASK = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


def write(folder: Path, key: str) -> Path:
    given = {"working_file": TASK, "file_path": "/projects/a.blend"}
    return spool.write(folder, "upload_working_file", given, key=key)


def write_broken(folder: Path) -> Path:
    path = folder / f"20260101T000000Z-{uuid.uuid4()}.json"
    path.write_text("{}")
    return path


def test_flush_tells_of_each_request_what_became_of_it(farm: dict[str, str], folder: Path) -> None:
    good = write(folder, "k")
    listed = run("spool", "list", env={**farm, "FARM_TASKS_SPOOL": str(folder)})
    state, age, function, key, file = listed.stdout.rstrip("\n").split("\t")
    assert (state, function, key, file) == ("waits", "upload_working_file", "k", good.name)
    assert age.endswith(" s")
    broken = write_broken(folder)
    done = run("spool", "flush", "--json", "--spool", str(folder), env=farm)
    assert done.returncode == 5
    refused, sent = map(json.loads, done.stdout.splitlines())
    assert (sent["file"], sent["state"], sent["key"]) == (good.name, "submitted", "k")
    assert submit.Submission.load(sent["id"]).record().key == "k"
    assert (refused["file"], refused["state"], refused["id"]) == (broken.name, "failed", None)
    assert [(one.failed, one.reason) for one in spool.waiting(folder)] == [
        (True, refused["reason"])
    ]


def test_flush_ends_with_75_while_the_broker_is_away(folder: Path) -> None:
    write(folder, "k")
    away = {
        name: f"redis://127.0.0.1:{free_port()}/0"
        for name in ("FARM_TASKS_BROKER_URL", "FARM_TASKS_RESULT_BACKEND")
    }
    done = run("spool", "flush", "--spool", str(folder), env=away)
    assert done.returncode == 75
    assert "cannot be reached" in done.stderr
    assert len(spool.waiting(folder)) == 1


def test_without_a_folder_it_names_the_setting() -> None:
    done = run("spool", "list")
    assert done.returncode == 2
    assert "FARM_TASKS_SPOOL" in done.stderr


def test_one_that_stays_submits_what_comes_and_outlives_a_folder_that_is_not_there(
    farm: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    there = folder.rename(tmp_path / "not yet")
    with started("spool", "flush", "--every", "1", "--spool", str(folder), env=farm) as flusher:
        assert flusher.stderr is not None
        assert "FARM_TASKS_SPOOL" in flusher.stderr.readline()
        path = write(there, "k")
        there.rename(folder)
        said = flusher.stderr.readline()
        assert path.name in said
        assert submit.recent()[0].id in said
        flusher.send_signal(signal.SIGTERM)
        assert flusher.wait(10) == 143


def test_the_doctor_looks_whether_it_can_be_used_and_whether_something_waits(folder: Path) -> None:
    write(folder, "k")
    with environment_of({"FARM_TASKS_SPOOL": str(folder)}):
        usable, waits = path_checks.spool()
    assert usable.state == "ok"
    assert (waits.state, waits.text) == ("hint", "1 request(s) wait there, 0 failed.")
    with environment_of({"FARM_TASKS_SPOOL": str(folder / "gone")}):
        (missing,) = path_checks.spool()
    assert missing.exit_code == 3
    assert "FARM_TASKS_SPOOL" in missing.advice
    with environment_of({}):
        assert list(path_checks.spool()) == []


@pytest.mark.chaos
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_with_a_spool_flushes_it_and_takes_its_flusher_along(
    farm: dict[str, str], folder: Path, tmp_path: Path, end: signal.Signals
) -> None:
    options = ("--pool", "prefork", "--concurrency", "1", "--queues", "downloads")
    with worker(*options, "--spool", str(folder), env=farm, log=tmp_path / "log") as one:
        path = write(folder, "k")
        wait_until(lambda: not path.exists() and submit.recent(), 20)
        family = psutil.Process(one.pid).children(recursive=True)
        (flusher,) = [each for each in family if "spool" in each.cmdline()]
        one.send_signal(end)
        try:
            assert one.wait(20) == (0 if end == signal.SIGTERM else -end)
            wait_until(lambda: not flusher.is_running(), 10)
        finally:
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
