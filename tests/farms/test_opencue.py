"""The OpenCue layer with the real pyoutline and rqd, where they are (docs/farms/opencue.md).

They pin grpc and protobuf, so they have an environment of their own, whose Python is
FARM_TASKS_OPENCUE_PYTHON. No Cuebot is to be had: what rqd reports to is a stand-in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import farm_tasks.farms
from farm_tasks import submit
from farm_tasks.sandbox import SandboxInfo
from tests.farms.publish_command import understood
from tests.support.media import movie

PYTHON = os.environ.get("FARM_TASKS_OPENCUE_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="FARM_TASKS_OPENCUE_PYTHON names no Python with OpenCue's packages"
)
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LAYER = Path(farm_tasks.farms.__file__).parent / "opencue"
PYCUERUN = Path(PYTHON).parent / "pycuerun"


class Job:
    """An outline, and the frame of it that publishes ``file`` with ``command``."""

    def __init__(self, folder: Path, command: Path, file: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "HOME": str(folder)}
        built = self.run(PYTHON, str(HERE / "opencue_outline.py"), str(LAYER), str(command), file)
        answer = json.loads(built.stdout)
        spec = answer["spec"].partition("<spec>")[2].join(("<spec>", ""))
        self.spec = ElementTree.fromstring(spec)
        self.frame = [str(PYCUERUN), answer["outline"], "-e", "1001-publish_to_kitsu"]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self.environment, **variables}, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def in_rqd(self, **variables: str) -> dict[str, Any]:
        """What rqd reports of the frame, which has these variables and hardly any other."""
        environment = {"CUE_JOB_ID": "5f1c0ffee", "CUE_JOB": "demo-sh010-td_comp",
                       "CUE_IFRAME": "1001", "CUE_THREADS": "1", "HOME": str(self.folder),
                       **variables}  # fmt: skip
        done = self.run(
            PYTHON, str(HERE / "opencue_farm.py"), str(self.folder), " ".join(self.frame),
            json.dumps(environment),
        )  # fmt: skip
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def arguments(self) -> list[str]:
        """What the stand-in for ``farm-tasks`` was given."""
        return (self.folder / "said").read_text().splitlines()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    command = tmp_path / "farm-tasks"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/said\nexit $CODE\n')
    command.chmod(0o755)
    return Job(tmp_path, command, "/projects/a b.mov")


def test_the_layer_is_a_util_that_waits_for_all_frames_of_the_render(job: Job) -> None:
    layers = {one.get("name"): one for one in job.spec.iter("layer")}
    layer = layers["publish_to_kitsu"]
    assert layer.get("type") == "Util"
    assert layer.findtext("range") == "1001"
    assert {one.get("name"): one.text for one in layer.iter("key")} == {
        "FARM_TASKS_BROKER_URL_FILE": "/etc/farm-tasks/broker"
    }
    depends = [
        (one.get("type"), one.findtext("deplayer"), one.findtext("onlayer"))
        for one in job.spec.iter("depend")
    ]
    assert depends == [
        ("LAYER_ON_LAYER", "publish_to_kitsu", "beauty"),
        ("LAYER_ON_LAYER", "publish_to_kitsu", "depth"),
    ]


def test_the_frame_runs_the_publish_command_with_a_key_of_its_job(job: Job) -> None:
    done = job.run(*job.frame, CUE_JOB_ID="5f1c0ffee", CODE="0")
    assert done.returncode == 0, done.stderr
    assert job.arguments() == [
        "publish", "--task=demo/SQ01/SH010/compositing", "--progress=alf", "/projects/a b.mov",
        "--status=wfa", "--key=opencue:5f1c0ffee:{content}",
    ]  # fmt: skip
    assert understood(job.arguments())["previews"] == ("/projects/a b.mov",)


def test_a_frame_whose_publish_fails_fails_with_its_exit_code(job: Job) -> None:
    assert job.run(*job.frame, CUE_JOB_ID="5f1c0ffee", CODE="75").returncode == 75


def test_rqd_runs_the_frame_and_reports_how_it_ended(job: Job) -> None:
    report = job.in_rqd(CODE="3")
    assert report["exit_status"] == 3, report["log"]
    assert job.arguments()[-1] == "--key=opencue:5f1c0ffee:{content}"


@pytest.mark.usefixtures("kitsu_worker")
def test_a_frame_in_rqd_publishes_to_kitsu(
    kitsu: SandboxInfo, projects: Path, tmp_path: Path
) -> None:
    command = tmp_path / "farm-tasks"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m farm_tasks.cli "$@"\n')
    command.chmod(0o755)
    shot = movie(kitsu, projects / "comp.mov", seconds=0.5)
    redis = {
        name: os.environ[name] for name in ("FARM_TASKS_BROKER_URL", "FARM_TASKS_RESULT_BACKEND")
    }
    report = Job(tmp_path, command, str(shot)).in_rqd(PYTHONPATH=str(ROOT), **redis)
    assert report["exit_status"] == 0, report["log"]
    assert "ALF_PROGRESS" in report["log"]
    record = next(one for one in submit.recent() if one.farm_job == "demo-sh010-td_comp")
    assert record.key is not None
    assert record.key.startswith("opencue:5f1c0ffee:")
    assert record.result["previews"]
