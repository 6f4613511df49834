"""The bar that a person sees, of a real upload over a slow line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import gazu
import pytest

from farm_tasks.cli.slow_line import SlowLine
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.cli.command_line import Terminal, run
from tests.support.environment import environment_of
from tests.support.media import noise
from tests.support.worker import running_worker

SIZE = 15_000_000
SECONDS = 4


@pytest.fixture(scope="module")
def slow_farm(
    sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A worker of this file's own, whose Kitsu is behind a slow line."""
    farm = {
        **sandbox.environment(),
        "FARM_TASKS_BROKER_URL": f"{sandbox.redis_url}/14",
        "FARM_TASKS_RESULT_BACKEND": f"{sandbox.redis_url}/15",
    }
    with SlowLine(sandbox.kitsu_host, SIZE / SECONDS) as line:
        slow = {**farm, "KITSU_HOST": line.address}
        with running_worker(tmp_path_factory.mktemp("slow"), slow, concurrency=1):
            yield farm


@pytest.fixture
def working_file(sandbox: SandboxInfo) -> str:
    with environment_of(sandbox.environment()):
        made = gazu.files.new_working_file(
            sandbox.task_id, name=f"slow{id(object())}", software=sandbox.software_id,
            client=kitsu_client(),
        )  # fmt: skip
    return str(made["id"])


def test_the_bar_moves_and_never_goes_back(
    slow_farm: dict[str, str], working_file: str, projects: Path
) -> None:
    scene = noise(projects / "scene.blend", SIZE)
    command = ("submit", "upload_working_file", working_file, str(scene), "--watch")
    with Terminal(*command, env=slow_farm) as terminal:
        assert terminal.end(60) == 0
        rows = re.findall(r"scene\.blend [^\n]*?(\d+)% +([\d.]+)/15\.0 MB (\w+)", terminal.text)
    percents = [int(percent) for percent, _, _ in rows]
    assert percents == sorted(percents)
    assert len({percent for percent in percents if 0 < percent < 100}) >= 4
    assert {stage for _, _, stage in rows} >= {"uploading", "done"}
    assert re.search(r"uploading +[\d.]+ MB/s +0:0\d", terminal.text)


def test_a_cancel_stops_the_bar(
    slow_farm: dict[str, str], working_file: str, projects: Path
) -> None:
    scene = noise(projects / "scene.blend", SIZE * 3)
    command = ("submit", "upload_working_file", working_file, str(scene), "--watch")
    with Terminal(*command, env=slow_farm) as terminal:
        printed = terminal.read_until(r"\b[1-9]\d?% .*uploading", 60)
        submission = printed.split()[0]
        assert json.loads(run("status", submission, "--json", env=slow_farm).stdout)["rate"] > 0
        assert run("cancel", submission, env=slow_farm).returncode == 0
        assert terminal.end(20) == 5
        assert "cancelled" in terminal.text
