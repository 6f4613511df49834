"""The Deadline files against a stand-in: no Deadline was to be had (docs/farms/deadline.md)."""

from __future__ import annotations

import configparser
import json
import os
import runpy
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import farm_tasks.farms
from tests.farms.deadline_stand_in import DeadlinePlugin, Job, deadline

FARMS = Path(farm_tasks.farms.__file__).parent
ASKS = {"FarmTasksPublish": "1", "FarmTasksTask": "demo/SQ01/SH010/compositing"}


class Farm:
    """The event plugin as it lies in a repository, and the spool that it writes to."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "custom" / "events" / "FarmTasks"
        shutil.copytree(FARMS / "deadline" / "FarmTasks", self.folder)
        shutil.copy(FARMS / "client.py", self.folder / "farm_tasks_client.py")
        self.spool = tmp_path / "spool"
        self.spool.mkdir()
        self.config = {"SpoolFolder": str(self.spool)}
        self.output = tmp_path / "output"
        self.output.mkdir()
        self.names = ["comp.mov"]

    def job(self, **info: str) -> Job:
        return Job({name: str(self.output) for name in self.names}, **{**ASKS, **info})

    def finishes(self, job: Job) -> list[tuple[str, str]]:
        """Deadline runs the event plugin; returns what that logged."""
        with deadline(self.folder, self.config):
            plugin = runpy.run_path(str(self.folder / "FarmTasks.py"))
            listener = plugin["GetDeadlineEventListener"]()
            for callback in listener.OnJobFinishedCallback:
                callback(job)
            plugin["CleanupDeadlineEventListener"](listener)
            assert not hasattr(listener, "OnJobFinishedCallback")
            said: list[tuple[str, str]] = listener.said
            return said

    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(one.read_text()) for one in sorted(self.spool.iterdir())]

    def request(self) -> dict[str, Any]:
        (one,) = self.requests()
        return one


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)


def test_a_job_that_asks_is_published_with_what_it_says(farm: Farm) -> None:
    said = farm.finishes(
        farm.job(FarmTasksStatus="wfa", FarmTasksComment="v3", FarmTasksPriority="High",
                 FarmTasksArguments='{"revision": "from-name"}')
    )  # fmt: skip
    request = farm.request()
    assert request["arguments"] == {
        "task": ASKS["FarmTasksTask"],
        "task_status": "wfa",
        "comment": "v3",
        "revision": "from-name",
        "previews": [f"{farm.output}/comp.mov"],
    }
    assert request["priority"] == "high"
    assert request["farm_job"] == "deadline 5f1c0ffee comp SH010"
    assert said == [("info", said[0][1])]
    assert "will be published" in said[0][1]


def test_a_job_that_does_not_ask_is_left_alone(farm: Farm) -> None:
    assert farm.finishes(farm.job(FarmTasksPublish="")) == []
    assert farm.finishes(farm.job(FarmTasksPublish="0")) == []
    assert farm.requests() == []


@pytest.mark.parametrize("padding", ["####", "????", "%04d"])
def test_frames_are_published_over_the_jobs_range(farm: Farm, padding: str) -> None:
    farm.names = [f"beauty.{padding}.exr", "depth.####.exr"]
    farm.finishes(farm.job(FarmTasksFps="24000/1001"))
    arguments = farm.request()["arguments"]
    assert arguments["frames"] == f"{farm.output}/beauty.{padding.replace('?', '#')}.exr"
    assert arguments["frame_range"] == "1001-1003"
    assert arguments["fps"] == "24000/1001"
    assert "previews" not in arguments


def test_frames_without_a_rate_are_not_published(farm: Farm) -> None:
    farm.names = ["beauty.####.exr"]
    ((kind, text),) = farm.finishes(farm.job())
    assert (kind, "set FarmTasksFps" in text) == ("warning", True)
    assert farm.requests() == []


def test_another_output_can_be_chosen(farm: Farm) -> None:
    farm.names = ["beauty.####.exr", "beauty.mov"]
    farm.finishes(farm.job(FarmTasksOutput="1"))
    assert farm.request()["arguments"]["previews"] == [f"{farm.output}/beauty.mov"]


def test_deadlines_path_mapping_is_asked(farm: Farm) -> None:
    job = farm.job()
    job.JobOutputDirectories = ["P:\\demo\\comp"]
    farm.finishes(job)
    assert farm.request()["arguments"]["previews"] == ["/mnt/projects/demo/comp/comp.mov"]


@pytest.mark.parametrize("named", ["by its output", "by one text"])
def test_a_requeued_job_has_its_key_until_it_renders_something_else(farm: Farm, named: str) -> None:
    movie = farm.output / "comp.mov"
    asks = {"FarmTasksArguments": json.dumps({"previews": str(movie)})}
    job = farm.job(**(asks if named == "by one text" else {}))
    movie.write_bytes(b"1")
    farm.finishes(job)
    farm.finishes(job)
    movie.write_bytes(b"22")
    farm.finishes(job)
    keys = [one["key"] for one in farm.requests()]
    assert all(one.startswith("deadline:5f1c0ffee:") for one in keys)
    assert sorted(keys.count(one) for one in set(keys)) == [1, 2]


def test_a_file_server_that_hangs_does_not_hold_deadline_up(farm: Farm) -> None:
    os.mkfifo(farm.output / "hangs")
    code = (farm.folder / "farm_tasks_deadline.py").read_text()
    code = code.replace("SECONDS_FOR_FILES = 3.0", "SECONDS_FOR_FILES = 0.2")
    (farm.folder / "farm_tasks_deadline.py").write_text(code)
    client = farm.folder / "farm_tasks_client.py"
    # Opening a pipe that nobody writes to stands for a stat that does not return.
    hanging = f"open({str(farm.output / 'hangs')!r}).close()\n            found = os.stat(path)"
    client.write_text(client.read_text().replace("found = os.stat(path)", hanging))
    began = time.monotonic()
    farm.finishes(farm.job())
    assert time.monotonic() - began < 3
    assert farm.request()["key"] == "deadline:5f1c0ffee:22.11.2026 02:00:00"
    (farm.output / "hangs").open("w").close()


def test_the_first_command_that_is_here_is_run(farm: Farm, tmp_path: Path) -> None:
    command = tmp_path / "farm-tasks"
    command.write_text(f"#!{sys.executable}\nimport sys\nprint('1f0c', sys.argv[1])\n")
    command.chmod(0o755)
    farm.config["Command"] = f"C:\\farm-tasks\\farm-tasks.exe\n{command}\n"
    assert farm.finishes(farm.job()) == [
        ("info", "farm_tasks: job 5f1c0ffee will be published: 1f0c")
    ]
    assert farm.requests() == []


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({"FarmTasksTask": ""}, "set FarmTasksTask"),
        ({"FarmTasksOutput": "7"}, "names no output 7"),
        ({"FarmTasksArguments": "[1]"}, "not a JSON object"),
        ({"FarmTasksArguments": "{"}, "was not published"),
    ],
)
def test_what_is_wrong_is_logged_and_never_raised(
    farm: Farm, info: dict[str, str], why: str
) -> None:
    ((kind, text),) = farm.finishes(farm.job(**info))
    assert kind == "warning"
    assert why in text
    assert farm.requests() == []


def test_an_event_plugin_without_its_files_or_settings_is_logged_too(farm: Farm) -> None:
    farm.config.clear()
    ((kind, text),) = farm.finishes(farm.job())
    assert (kind, "Give a command, a spool folder" in text) == ("warning", True)
    (farm.folder / "farm_tasks_client.py").unlink()
    ((kind, text),) = farm.finishes(farm.job())
    assert (kind, "farm_tasks_client" in text) == ("warning", True)


def test_the_post_job_script_publishes_without_the_opt_in(farm: Farm) -> None:
    plugin = DeadlinePlugin(farm.job(FarmTasksPublish=""))
    with deadline(farm.folder, farm.config):
        runpy.run_path(str(farm.folder / "post_job.py"))["__main__"](plugin)
    assert farm.request()["arguments"]["task"] == ASKS["FarmTasksTask"]
    assert [kind for kind, _ in plugin.said] == ["info"]
    (farm.folder / "farm_tasks_deadline.py").unlink()
    with deadline(farm.folder, farm.config):
        runpy.run_path(str(farm.folder / "post_job.py"))["__main__"](plugin)
    assert [kind for kind, _ in plugin.said] == ["info", "warning"]


def test_every_setting_that_is_read_can_be_set() -> None:
    parameters = configparser.ConfigParser(interpolation=None)
    parameters.read(FARMS / "deadline" / "FarmTasks" / "FarmTasks.param")
    assert parameters["State"]["Default"] == "Disabled"
    assert set(parameters) == {"DEFAULT", "State", "Command", "SpoolFolder", "Seconds"}
    code = (FARMS / "deadline" / "FarmTasks" / "farm_tasks_deadline.py").read_text()
    assert all(f'entry("{name}"' in code for name in ("Command", "SpoolFolder", "Seconds"))
