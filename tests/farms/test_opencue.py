"""The OpenCue layer with the real pyoutline and rqd, where they are (docs/farms/opencue.md).

They pin grpc and protobuf, so they have an environment of their own, whose Python is
FARM_TASKS_OPENCUE_PYTHON. No Cuebot is to be had: what rqd reports to is a stand-in.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import farm_tasks.farms
from tests.farms.publish_command import understood

PYTHON = os.environ.get("FARM_TASKS_OPENCUE_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="FARM_TASKS_OPENCUE_PYTHON names no Python with OpenCue's packages"
)
HERE = Path(__file__).parent
LAYER = Path(farm_tasks.farms.__file__).parent / "opencue"
PYCUERUN = Path(PYTHON).parent / "pycuerun"


class Job:
    """An outline, and the frame of it that publishes."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.said = tmp_path / "said"
        command = tmp_path / "farm-tasks"
        command.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >{self.said}\necho "ALF_PROGRESS 42%"\nexit $CODE\n'
        )
        command.chmod(0o755)
        self.environment = {**os.environ, "HOME": str(tmp_path), "CODE": "0"}
        built = self.run(PYTHON, str(HERE / "opencue_outline.py"), str(LAYER), str(command))
        answer = json.loads(built.stdout)
        self.spec = ElementTree.fromstring(
            answer["spec"].partition("<spec>")[2].join(("<spec>", ""))
        )
        self.frame = [str(PYCUERUN), answer["outline"], "-e", "1001-publish_to_kitsu"]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self.environment, **variables}, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def arguments(self) -> list[str]:
        return self.said.read_text().splitlines()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


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
    done = job.run(*job.frame, CUE_JOB_ID="5f1c0ffee")
    assert done.returncode == 0, done.stderr
    assert job.arguments() == [
        "publish", "--task=demo/SQ01/SH010/compositing", "--progress=alf", "/projects/a b.mov",
        "--status=wfa", "--key=opencue:5f1c0ffee:{content}",
    ]  # fmt: skip
    assert understood(job.arguments())["previews"] == ("/projects/a b.mov",)


def test_a_frame_whose_publish_fails_fails_with_its_exit_code(job: Job) -> None:
    assert job.run(*job.frame, CUE_JOB_ID="5f1c0ffee", CODE="75").returncode == 75


def test_rqd_runs_the_frame_and_reports_how_it_ended(job: Job) -> None:
    environment = {"CUE_JOB_ID": "5f1c0ffee", "CUE_IFRAME": "1001", "CUE_THREADS": "1",
                   "HOME": str(job.folder), "CODE": "3"}  # fmt: skip
    done = job.run(
        PYTHON, str(HERE / "opencue_farm.py"), str(job.folder), " ".join(job.frame),
        json.dumps(environment),
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["exit_status"] == 3, report["log"]
    assert job.arguments()[-1] == "--key=opencue:5f1c0ffee:{content}"
