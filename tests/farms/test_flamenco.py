"""The Flamenco job type in node, against a stand-in of the Manager (docs/farms/flamenco.md)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

import farm_tasks.farms
from tests.farms.publish_command import understood

SCRIPT = Path(farm_tasks.farms.__file__).parent / "flamenco" / "render_and_publish.js"
STAND_IN = Path(__file__).parent / "flamenco_stand_in.js"
# Playwright, which tests of pages need, brings a node with it.
NODE, _ = compute_driver_executable()
SETTINGS = {
    "frames": "1-5", "chunk_size": 2, "render_output_path": "/r/SH010/{timestamp}/######",
    "blendfile": "/p/SH010.blend", "fps": 24, "format": "PNG", "image_file_extension": ".png",
    "scene": "Scene", "kitsu_task": "demo/SQ01/SH010/compositing",
}  # fmt: skip


def compiled(**settings: Any) -> dict[str, Any]:
    job = {"name": "SH010 v003", "settings": {**SETTINGS, **settings}}
    done = subprocess.run(
        [NODE, str(STAND_IN), str(SCRIPT)],
        input=json.dumps(job), capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def publish_arguments(answer: dict[str, Any]) -> list[str]:
    (command,) = answer["tasks"][-1]["commands"]
    assert (command["name"], command["parameters"]["exe"]) == ("exec", "farm-tasks")
    arguments: list[str] = command["parameters"]["args"]
    assert all(isinstance(one, str) for one in arguments), "Flamenco refuses what is not a text"
    assert understood(arguments)["task"] == SETTINGS["kitsu_task"]
    return arguments


def test_the_movie_waits_for_the_frames_and_the_publish_for_the_movie() -> None:
    tasks = compiled()["tasks"]
    assert [one["name"] for one in tasks] == [
        "render-1-2", "render-3-4", "render-5", "movie", "publish",
    ]  # fmt: skip
    assert tasks[3]["dependencies"] == ["render-1-2", "render-3-4", "render-5"]
    assert tasks[4]["dependencies"] == ["movie"]
    assert [one["type"] for one in tasks] == ["blender"] * 3 + ["ffmpeg", "misc"]
    assert [one["commands"][0]["steps"] for one in tasks[:3]] == [2, 2, 1]


def test_the_movie_that_is_made_is_the_one_that_is_published() -> None:
    answer = compiled(kitsu_comment="--help", kitsu_person="Ada")
    made = answer["tasks"][3]["commands"][0]["parameters"]["outputFile"]
    assert made == "/r/SH010/2026-11-22_020000/SH010.mp4"
    assert publish_arguments(answer) == [
        "publish", "--task=demo/SQ01/SH010/compositing", "--status=wfa", "--comment=--help",
        "--person=Ada",
        "--key=flamenco:5f1c0ffee:{content}", "--farm-job=flamenco SH010 v003", "--wait",
        made,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fps", "said"),
    [(24, "24"), (24 / 1.001, "24000/1001"), (30 / 1.001, "30000/1001"), (12.5, "12.5")],
)
def test_farm_tasks_makes_the_movie_of_what_was_rendered(fps: float, said: str) -> None:
    answer = compiled(movie_by="farm_tasks", format="OPEN_EXR", image_file_extension=".exr",
                      fps=fps, wait_for_kitsu=False)  # fmt: skip
    assert [one["name"] for one in answer["tasks"]] == [
        "render-1-2", "render-3-4", "render-5", "publish",
    ]  # fmt: skip
    assert answer["tasks"][-1]["dependencies"] == ["render-1-2", "render-3-4", "render-5"]
    arguments = publish_arguments(answer)
    assert arguments[-7:] == [
        "--no-wait", "--frames", "/r/SH010/2026-11-22_020000/######.exr", "--range", "1-5",
        "--fps", said,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"format": "OPEN_EXR"}, "set movie_by to farm_tasks"),
        ({"format": "FFMPEG"}, "Choose another format"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_submitted(
    settings: dict[str, str], why: str
) -> None:
    assert why in compiled(**settings)["error"]


def test_every_setting_has_what_blender_needs_to_show_it() -> None:
    for setting in compiled()["type"]["settings"]:
        assert setting["type"] in {"string", "int32", "float", "bool"}
        assert setting.get("visible", "visible") in {"visible", "hidden", "submission", "web"}
        assert setting.get("required") or "default" in setting or "eval" in setting
