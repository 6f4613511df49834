"""Flower's button, in every pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitor.flower.farm import running_farm
from tests.support.waiting import wait_until
from tests.worker.crew import MB

pytestmark = pytest.mark.operations


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_flower_stops_what_moves_and_what_waits(tmp_path: Path, pool: str) -> None:
    with running_farm(tmp_path, pool, concurrency=1) as farm:
        farm.crew.kitsu.serve(0, rate=1 * MB)
        moving, waiting = farm.crew.upload(30 * MB), farm.crew.upload(31 * MB)
        wait_until(lambda: farm.flower.task(moving.id).get("percent"), 20)
        wait_until(lambda: farm.flower.task(waiting.id), 15)

        assert farm.flower.stop_task(waiting.id)[0] == 200
        task = farm.flower.task(waiting.id)
        assert (task["state"], task["reason"]) == (
            "REVOKED",
            "The submission was cancelled before it ran.",
        )
        assert farm.flower.stop_task(moving.id)[0] == 200
        wait_until(lambda: farm.flower.task(moving.id)["state"] == "REVOKED", 15)

        # A transfer after them, so that whatever was still on its way has come.
        farm.crew.kitsu.serve(0)
        after = farm.crew.upload(1 * MB)
        wait_until(lambda: farm.flower.task(after.id).get("state") == "SUCCESS", 15)
        task = farm.flower.task(moving.id)
        assert (task["state"], task["reason"]) == ("REVOKED", "The submission was cancelled.")
        assert 0 < task["percent"] < 100
        assert task["bytes_read"] == moving.progress().bytes_read
        assert farm.flower.task(waiting.id)["state"] == "REVOKED"
        assert moving.state == waiting.state == "REVOKED"
        assert farm.crew.kitsu.ended == 1  # the last alone: nothing of the others came whole
