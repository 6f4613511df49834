from __future__ import annotations

import re
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from farm_tasks import queues, submit
from farm_tasks.cli.worker import default_concurrency
from farm_tasks.submit.connection import sender
from farm_tasks.worker import media_queue
from tests.cli.command_line import COMMAND, ROOT, Done, environment, run
from tests.support.waiting import wait_until


@contextmanager
def worker(*arguments: str, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "worker", *arguments],
            cwd=ROOT, env={**environment(env), "PYTHONWARNINGS": ""},
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or sender().control.ping(timeout=0.3), 30)
        yield process
    finally:
        ended = process.poll() is not None
        family = [] if ended else psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def test_it_becomes_celerys_worker_with_our_defaults(farm: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker("--loglevel", "info", "--", "--max-tasks-per-child", "7", env=farm, log=log) as one:
        command = psutil.Process(one.pid).cmdline()
        assert command[1:6] == ["-m", "celery", "-A", "farm_tasks", "worker"]
        for option, value in (
            *(("--pool", "prefork"), ("--concurrency", str(default_concurrency()))),
            *(("--loglevel", "INFO"), ("--max-tasks-per-child", "7")),
        ):
            assert command[command.index(option) + 1] == value
        assert {"--without-gossip", "--without-mingle"} <= set(command)
        said = log.read_text()
        assert "WARNING" in said
        assert "FARM_TASKS_READ_ROOTS" in said
        assert "KITSU_HOST is not set" in said
    assert one.returncode == 0


def asked(env: Mapping[str, str], expected: str) -> Done | None:
    """The doctor, if it says this."""
    done = run("doctor", env=env)
    return done if expected in done.stdout else None


def test_without_roots_it_starts_and_a_transfer_says_what_to_set(
    farm: dict[str, str], tmp_path: Path
) -> None:
    options = ("--pool", "solo", "--queues", "downloads,default")
    name = f"downloads-default@{socket.gethostname()}"  # another worker here has another
    with worker(*options, env=farm, log=tmp_path / "log"):
        # A busy machine's worker may not answer within the doctor's two seconds.
        told = wait_until(lambda: asked(farm, "1 listening"), 60)
        assert told.returncode == 75, "two queues have nobody"
        for line in (
            r"ok +worker +farm_tasks: 0 waiting, 1 listening: " + re.escape(name),
            r"ok +worker +farm_tasks\.downloads: 0 waiting, 1 listening: " + re.escape(name),
            r"FAILED +worker +farm_tasks\.uploads: 0 waiting, nobody listening",
            r"with --queues small",
        ):
            assert re.search(line, told.stdout), told.stdout
        one = submit.download_preview_file(str(uuid.uuid4()), str(tmp_path / "a"))
        done = run("watch", one.id, env=farm)
        assert done.returncode == 2
        assert "FARM_TASKS_WRITE_ROOTS" in done.stdout
        assert name in run("status", one.id, env=farm).stdout


def test_a_worker_with_everything_set_warns_of_nothing(
    farm: dict[str, str], tmp_path: Path
) -> None:
    env = {**farm, "KITSU_HOST": "http://127.0.0.1:1", "FARM_TASKS_READ_ROOTS": str(tmp_path)}
    log = tmp_path / "log"
    with worker("--pool", "solo", "--loglevel", "ERROR", env=env, log=log):
        assert "WARNING:" not in log.read_text()


def test_slots_are_as_many_as_what_is_taken_waits_or_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert default_concurrency(f"{queues.UPLOADS},{queues.SMALL}") == 8
    assert default_concurrency(f"{queues.UPLOADS},{queues.MEDIA}") == 3
    monkeypatch.setattr(media_queue, "can_make_movies", lambda: True)
    assert default_concurrency() == 3
    monkeypatch.setattr(media_queue, "can_make_movies", lambda: False)
    assert default_concurrency() == 8


def test_wrong_options_are_refused_before_anything_starts(farm: dict[str, str]) -> None:
    assert run("worker", "--pool", "gevent", env=farm).returncode == 2
    assert run("worker", "--concurrency", "0", env=farm).returncode == 2
    assert run("worker", "--no-such-option", env=farm).returncode == 2
    misspelt = run("worker", "--queues", "uplods,small", env=farm)
    assert misspelt.returncode == 2
    assert "Did you mean uploads" in misspelt.stderr
