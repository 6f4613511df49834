"""From 48 rendered frames to a preview that a supervisor can look at, by the command of a farm."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import gazu
import numpy as np
import pytest
from gazu.client import KitsuClient

from farm_tasks import submit
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.media.shown import pictures
from tests.media.test_colour import reference
from tests.support.frames import exr_frames, number_shown, patch
from tests.support.media import digest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("kitsu_worker")

FIRST, COUNT = 1001, 48
SIZE = (960, 540)
TEXT = "Comp for review, from the farm"


@pytest.fixture
def api(kitsu: SandboxInfo) -> KitsuClient:
    return kitsu_client()


def publish(frames: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "farm_tasks.cli", "publish",
        "--task", "demo/SQ01/SH010/compositing", "--frames", frames, "--fps", "24000/1001",
        "--status", "wfa", "--wait", *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def comments(kitsu: SandboxInfo, api: KitsuClient, text: str = TEXT) -> list[dict[str, Any]]:
    found = gazu.task.all_comments_for_task(kitsu.task_id, client=api)
    return [one for one in found if one["text"] == text]


def test_rendered_frames_become_a_ready_preview_and_one_key_publishes_once(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    frames = exr_frames(projects, FIRST, COUNT, SIZE)
    options = ["--range", f"{FIRST}-{FIRST + COUNT - 1}", "--comment", TEXT]
    options += ["--person", "ada@example.com", "--thumbnail", "last", "--key", "deadline:5f3:1"]
    first, second = publish(frames, *options), publish(frames, *options)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    result = submit.Submission.load(first.stdout.strip()).wait(1)

    # One comment, with the status, by the artist; one preview on it, ready.
    [comment] = comments(kitsu, api)
    assert comment["task_status_id"] == kitsu.task_status_ids["wfa"]
    assert comment["person_id"] == kitsu.person_id
    [preview] = comment["previews"]
    assert [one["id"] for one in result["previews"]] == [preview["id"]]
    kept = gazu.files.get_preview_file(preview["id"], client=api)
    assert (kept["status"], kept["width"], kept["height"]) == ("ready", *SIZE)

    # Kitsu serves what was made here: frame count, rate, colour, order.
    movie = projects / "served.mp4"
    operations.download_preview_movie(preview["id"], str(movie), client=api)
    assert digest(movie) == result["previews"][0]["sha256"]
    with av.open(str(movie)) as container:
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)
    shown = pictures(movie)
    assert [number_shown(one, SIZE) for one in shown] == list(range(FIRST, FIRST + COUNT))
    for place, expected in enumerate(reference()):
        code_values = shown[0][patch(SIZE, place)].mean((0, 1))
        assert np.abs(code_values - expected).max() <= 2.0, place

    # The shot shows the last frame.
    shot = gazu.shot.get_shot(kitsu.shot_id, client=api)
    assert shot["preview_file_id"] == preview["id"]
    thumbnail = projects / "thumbnail.png"

    def is_last() -> bool:
        operations.download_preview_file_thumbnail(preview["id"], str(thumbnail), client=api)
        # Kitsu puts 16:9 into 3:2, with bars above and below.
        return number_shown(picture_of(thumbnail)[8:-8], SIZE) == FIRST + COUNT - 1

    wait_until(is_last, 20, every=0.3)


def picture_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_missing_frames_are_named_and_nothing_is_said_in_kitsu(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    frames = exr_frames(projects, 1, 6, (64, 36))
    for number in (3, 4):
        Path(frames.replace("####", f"{number:04}")).unlink()
    Path(frames.replace("####", "0006")).write_bytes(b"")
    ended = publish(frames, "--range", "1-7", "--comment", "Never said")
    assert ended.returncode == 5
    assert "4 of 7 frames cannot be used (missing: 3-4, 7; empty: 6)." in ended.stderr
    assert comments(kitsu, api, "Never said") == []
    held = publish(
        frames, "--range", "1-7", "--comment", "Held", "--missing-frames", "hold", "--json"
    )
    assert held.returncode == 0, held.stderr
    told = json.loads(held.stdout)["result"]
    assert told["movie"]["frames"] == 7
    assert any("3-4" in note for note in told["notes"])
    assert len(comments(kitsu, api, "Held")) == 1


def test_what_cannot_be_is_refused_before_anything_is_said_in_kitsu(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    frames = exr_frames(projects, 1, 3, (64, 36))
    first = publish(frames, "--comment", "Taken", "--revision", "70")
    assert first.returncode == 0, first.stderr
    again = publish(frames, "--comment", "Never said", "--revision", "70")
    assert again.returncode == 5
    assert "Revision 70 of Demo/SQ01/SH010/Compositing is taken; 71 is the next" in again.stderr
    beyond = publish(frames, "--comment", "Never said", "--thumbnail", "4")
    assert beyond.returncode == 2
    assert "the movie has 3 frames, and not 4" in beyond.stderr
    assert comments(kitsu, api, "Never said") == []
