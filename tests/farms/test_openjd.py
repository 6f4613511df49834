"""The OpenJD template, run by the real openjd command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import gazu
import pytest

import farm_tasks.farms
from farm_tasks import submit
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.farms.openjd_reader import told_to_openjd
from tests.farms.publish_command import understood
from tests.support.environment import environment_of
from tests.support.media import picture
from tests.support.redis_server import RedisServer

TEMPLATE = Path(farm_tasks.farms.__file__).parent / "openjd" / "publish.yaml"
TASK = "demo/SQ01/SH010/compositing"


def openjd(command: str, parameters: dict[str, str], *more: str) -> list[str]:
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}={value}")]
    return [sys.executable, "-m", "openjd", command, str(TEMPLATE), *given, *more]


def farm_tasks_command(folder: Path) -> str:
    """What ``pip install`` puts on the PATH."""
    command = folder / "farm-tasks"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m farm_tasks.cli "$@"\n')
    command.chmod(0o755)
    return str(command)


def test_openjd_finds_nothing_wrong_with_the_template() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "openjd", "check", str(TEMPLATE)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passes validation checks" in done.stdout


def test_the_publish_command_takes_what_the_template_gives_it(tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = tmp_path / "farm-tasks"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{said}\n')
    command.chmod(0o755)
    parameters = {"Task": TASK, "Frames": "/projects/beauty.####.png", "Fps": "24000/1001",
                  "Comment": "v3: brighter", "FarmTasks": str(command)}  # fmt: skip
    run = openjd("run", parameters, "--step", "Publish")
    subprocess.run(run, check=True, capture_output=True, timeout=60)
    read = understood(said.read_text().splitlines())
    assert (read["task"], read["frames"]) == (TASK, "/projects/beauty.####.png")
    assert (read["fps"], read["frame_range"]) == ("24000/1001", "1001-1100")
    assert (read["task_status"], read["comment"]) == ("wfa", "v3: brighter")
    assert read["progress"] == "openjd"


@pytest.mark.usefixtures("kitsu_worker")
def test_openjd_renders_publishes_and_follows_it_to_the_end(
    kitsu: SandboxInfo, projects: Path, tmp_path: Path
) -> None:
    still = picture(kitsu, tmp_path / "still.png")
    parameters = {
        "Task": TASK,
        "Frames": str(projects / "openjd.####.png"),
        "Range": "1001-1003",
        "Comment": "by openjd",
        "RenderCommand": f'cp {still} "{projects}/openjd.$1.png"',
        "FarmTasks": farm_tasks_command(tmp_path),
    }
    run = openjd("run", parameters, "--step", "Publish", "--run-dependencies")
    done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Session ended successfully" in done.stdout

    # Each line of its log has a time stamp and a tab before it.
    printed = [line.partition("\t")[2] for line in done.stdout.splitlines()]
    heard = told_to_openjd(printed)
    kind, text = heard[0]  # queued, or what it is at by the time that it is looked at
    assert (kind, text.partition(": ")[0]) == ("status", "openjd.####.png")
    percents = [value for kind, value in heard if kind == "progress"]
    assert percents == sorted(percents)
    assert heard[-1] == ("progress", 100.0)
    assert not [line for line in printed if "ERROR" in line]

    submission_id = next(line for line in printed if re.fullmatch(r"[0-9a-f-]{36}", line))
    result = submit.Submission.load(submission_id).wait(1)
    [preview] = result["previews"]
    kept = gazu.files.get_preview_file(preview["id"], client=kitsu_client())
    assert (kept["status"], result["movie"]["frames"]) == ("ready", 3)


def test_a_cancelled_session_ends_the_command_at_once_and_not_the_submission(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    farm = {
        "FARM_TASKS_BROKER_URL": redis_server.url(0),
        "FARM_TASKS_RESULT_BACKEND": redis_server.url(1),
    }
    parameters = {"Task": TASK, "Frames": str(tmp_path / "x.####.png"),
                  "FarmTasks": farm_tasks_command(tmp_path)}  # fmt: skip
    with (
        environment_of(farm),
        subprocess.Popen(
            openjd("run", parameters, "--step", "Publish"),
            stdout=subprocess.PIPE,
            text=True,
            # openjd writes into a pipe by blocks, and these lines fill none.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as session,
    ):
        assert session.stdout is not None
        lines = (line.rstrip().partition("\t")[2] for line in session.stdout)
        submission_id = next(line for line in lines if re.fullmatch(r"[0-9a-f-]{36}", line))
        next(line for line in lines if line == "openjd_progress: 0.0")
        told = time.monotonic()
        session.terminate()
        rest = list(lines)
        assert session.wait(30) != 0
        assert time.monotonic() - told < 8, "it need not be killed after the ten seconds of notice"
        assert any("exited with code: 143" in line for line in rest), rest
        assert submit.Submission.load(submission_id).state == "QUEUED"
