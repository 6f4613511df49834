"""What a worker's container does on each broker: move, try again, stop, and die."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_celery import CeleryTestSetup

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.support.delaying_proxy import DelayingProxy
from tests.support.discarding_kitsu import WORKING_FILE, DiscardingKitsu
from tests.support.redis_server import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.containers

MB = 1_000_000


def upload(files: str, size: int) -> Submission:
    with (Path(files) / "scene.ma").open("wb") as file:
        file.truncate(size)
    return submit.upload_working_file(WORKING_FILE, "/projects/scene.ma")


def test_progress_rises_to_the_whole(
    cluster: CeleryTestSetup, kitsu: DiscardingKitsu, files: str
) -> None:
    kitsu.serve(0, rate=4 * MB)
    size = 80 * MB  # twenty seconds: a busy engine takes five of them to itself now and then
    submission = upload(files, size)
    readings = [one.bytes_read for one in submission.watch(60)]
    assert len({one for one in readings if 0 < one < size}) >= 3, readings
    assert readings == sorted(readings)
    assert readings[-1] == size
    assert submission.state == "SUCCESS"
    assert submission.record().worker == cluster.worker.hostname()
    assert (kitsu.begun, kitsu.ended) == (1, 1)


def test_what_fails_for_now_is_tried_again(
    cluster: CeleryTestSetup, kitsu: DiscardingKitsu, road: DelayingProxy, files: str
) -> None:
    there, road.behind = road.behind, ("127.0.0.1", free_port())
    submission = upload(files, MB)
    wait_until(lambda: submission.state == "RETRY", 30)
    road.behind = there
    submission.wait(60)
    assert submission.progress().attempt >= 2
    assert kitsu.ended == 1


def test_a_revoked_transfer_stops_and_its_worker_takes_the_next(
    cluster: CeleryTestSetup, kitsu: DiscardingKitsu, files: str
) -> None:
    kitsu.serve(0, rate=2 * MB)
    submission = upload(files, 200 * MB)
    wait_until(lambda: submission.progress().bytes_read > 0, 30)
    cluster.app.control.revoke(submission.id, terminate=True)
    wait_until(lambda: submission.state == "REVOKED", 15)
    kitsu.serve(0)
    upload(files, MB).wait(30)
    assert kitsu.ended == 1


def test_a_transfer_of_a_killed_worker_runs_again_and_ends_once(
    cluster: CeleryTestSetup, kitsu: DiscardingKitsu, files: str
) -> None:
    kitsu.serve(0, rate=4 * MB)
    # More than the sockets on the way can hold: else it would arrive whole after the kill.
    submission = upload(files, 200 * MB)
    wait_until(lambda: submission.progress().bytes_read > MB, 30)
    cluster.worker.kill()
    cluster.worker.restart()
    kitsu.serve(0)
    # On Redis, after a minute without a sign of life; RabbitMQ sees the connection close.
    submission.wait(150)
    assert submission.state == "SUCCESS"
    assert (kitsu.begun, kitsu.ended) == (2, 1)
