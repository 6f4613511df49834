"""The log of a real worker, as JSON and as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm_tasks.errors import UnknownSubmission
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.support.worker import Worker, running_worker
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.operations

POOLS = ["prefork", "threads", "solo"]
FORGED = "scene\n2026 ERROR forged \u202e.ma"


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        yield crew


def _send(function: str, *args: Any, farm_job: str = "deadline:5f3") -> str:
    task_id = str(uuid.uuid4())
    sender().send_task(
        f"farm_tasks.{function}", args=args, task_id=task_id, headers={"farm_job": farm_job}
    )
    return task_id


def _has_ended(task_id: str) -> bool:
    try:
        return Submission(task_id).state in {"SUCCESS", "FAILURE"}
    except UnknownSubmission:
        return False  # it was sent by its name alone, so that nothing is known before it begins


def _lives(crew: Crew, worker: Worker) -> tuple[str, str, str, str]:
    """Have it upload, meet an outage of Redis, fail, and come across what is no argument."""
    path = crew.folder / FORGED
    with path.open("wb") as file:
        file.truncate(12 * MB)
    crew.kitsu.serve(0, rate=MB)
    upload = _send("upload_working_file", WORKING_FILE, str(path))
    wait_until(lambda: crew.kitsu.begun == 1 and crew.kitsu.moved(0) > MB, 20)
    crew.redis.hang()
    try:
        # Not of an event, nor of a cancel: whichever of them it is that meets the outage first.
        said = "progress not written, the transfer goes on"
        wait_until(lambda: said in worker.log.read_text(), 10)
    finally:
        crew.redis.resume()
    crew.kitsu.serve(0)
    person = str(uuid.uuid4())
    missing = _send("upload_person_avatar", person, str(crew.folder / "none.png"))
    outside = _send("upload_working_file", str(uuid.uuid4()), "/etc/passwd")
    for one in (upload, missing, outside):
        wait_until(lambda one=one: _has_ended(one), 30)
    wait_until(lambda: f"[{upload}] succeeded" in worker.log.read_text(), 10)
    return upload, missing, outside, person


@pytest.mark.parametrize("pool", POOLS)
def test_every_line_is_a_json_object_and_those_of_a_task_say_whose_they_are(
    crew: Crew, pool: str, tmp_path: Path
) -> None:
    environment = {**crew._environment, "FARM_TASKS_LOG_FORMAT": "json"}
    with running_worker(tmp_path / "w", environment, pool, log_level="DEBUG") as worker:
        upload, missing, outside, person = _lives(crew, worker)
    lines = [json.loads(one) for one in worker.log.read_text().splitlines()]
    now = time.strftime("%Y-%m-%dT%H:", time.gmtime())
    for line in lines:
        assert set(line) >= {"time", "level", "logger", "message", "process", "worker"}
        assert line["worker"] == worker.name
        assert line["time"].endswith("Z")
        assert "\n" not in line["message"] or not line["logger"].startswith("farm_tasks")
    assert any(line["time"].startswith(now) for line in lines)
    begins = next(one for one in lines if "begins" in one["message"])
    assert begins["pool"] == pool

    def spoken_for(task_id: str, logger: str) -> list[dict[str, Any]]:
        """All but the first: that is Celery's main process, which knows the id alone."""
        found = [one for one in lines if one["logger"] == logger and task_id in str(one)]
        assert found
        assert all(one.get("task_id") == task_id for one in found)
        return found

    path = str(crew.folder / FORGED).replace("\n", "\\x0a").replace("\u202e", "\\u202e")
    moved = [one for one in spoken_for(upload, "farm_tasks.worker.task") if "bytes" in one]
    assert [(one["bytes"], one["function"]) for one in moved] == [(12 * MB, "upload_working_file")]
    assert moved[0]["rate"] == pytest.approx(moved[0]["bytes"] / moved[0]["seconds"], rel=0.01)
    of_upload = {
        "task_id": upload,
        "function": "upload_working_file",
        "attempt": 1,
        "farm_job": "deadline:5f3",
        "kitsu": {"working_file": WORKING_FILE},
        "file": path,
    }
    assert moved[0].items() >= of_upload.items()
    (outage,) = [one for one in lines if one["message"].startswith("progress not written")]
    assert outage.items() >= of_upload.items(), "the reporter's thread speaks for the task"
    ended = [one for one in spoken_for(upload, "celery.app.trace") if "succeeded" in str(one)]
    assert ended[0].items() >= of_upload.items()
    assert any(
        one["kitsu"] == {"person": person} for one in spoken_for(missing, "celery.app.trace")
    )
    assert "/etc/passwd" in str(spoken_for(outside, "farm_tasks.worker.task"))
    spoken_for(outside, "celery.worker.strategy")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_line_of_a_running_task_has_its_id_in_text_as_well(
    crew: Crew, pool: str, tmp_path: Path
) -> None:
    with running_worker(tmp_path / "w", crew._environment, pool) as worker:
        upload, missing, outside, _ = _lives(crew, worker)
    lines = worker.log.read_text().splitlines()
    assert any("celery@" in one or ".> transport:" in one for one in lines), "the banner, as ever"
    for text, task_id in (
        ("progress not written, the transfer goes on", upload),
        ("Moved 12000000 bytes", upload),
        ("none.png does not exist", missing),
        ("/etc/passwd", outside),
    ):
        found = [one for one in lines if text in one and "received" not in one]
        assert found, text
        assert all(one.count(task_id) == 1 for one in found)
    assert not any(one.startswith("2026 ERROR forged") for one in lines)


_TROUBLE = """
import threading, types, warnings
from farm_tasks.worker import logs
logs._before_all_else("early@host", types.SimpleNamespace(), types.SimpleNamespace())
warnings.warn("a library's")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("the end\\nof it")
"""


def test_what_python_itself_says_before_there_is_a_log_is_json_as_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TROUBLE],
        env={**os.environ, "FARM_TASKS_LOG_FORMAT": "json"},
        capture_output=True,
        check=False,
    )
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    assert [one.get("exception") for one in lines] == [None, "ZeroDivisionError", "RuntimeError"]
    assert [one["level"] for one in lines] == ["WARNING", "CRITICAL", "CRITICAL"]
    assert "a library's" in lines[0]["message"]
    assert {one["worker"] for one in lines} == {"early@host"}
