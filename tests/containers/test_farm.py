"""docker-compose.yml as an operator runs it: built, brought up, used, hurt, scaled, taken down."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Any

import gazu
import pytest
import requests

from farm_tasks import submit
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.containers.conftest import Farm
from tests.containers.host import docker, service_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.containers

MB = 1_000_000
ONCE = {"kitsu-init", "kitsu-bot"}
SERVICES = {
    "redis", "upload-worker", "download-worker", "small-files-worker", "flower", "metrics", "kitsu",
    "kitsu-jobs", "kitsu-db", "kitsu-redis", "prometheus",
}  # fmt: skip


def a_file(farm: Farm, name: str, size: int) -> str:
    """A file that Kitsu takes as it is, by the path that workers know it by."""
    with (farm.projects / name).open("wb") as file:
        file.truncate(size)
    return f"/projects/{name}"


def publish(farm: Farm, path: str, **options: Any) -> Submission:
    text = f"{path} {uuid.uuid4()}"
    status = farm.seed["task_status_ids"]["wip"]
    return submit.publish_preview(
        farm.seed["task_id"], status, text, preview_file_path=path, **options
    )


def comments_of(farm: Farm, submission: Submission) -> list[dict[str, Any]]:
    text = submission.record().arguments["comment"]
    found = gazu.task.all_comments_for_task(farm.seed["task_id"], client=farm.kitsu)
    return [one for one in found if one["text"] == text]


def test_every_service_is_healthy(farm: Farm) -> None:
    states = {}
    for one in farm.first.containers(stopped=True):
        health = one["State"].get("Health", {}).get("Status")
        states[service_of(one)] = health or one["State"]["ExitCode"]
    assert states == dict.fromkeys(SERVICES, "healthy") | dict.fromkeys(ONCE, 0)


def test_a_movie_goes_to_kitsu_and_back_while_flower_shows_it_moving(farm: Farm) -> None:
    [kitsu] = farm.first.containers("kitsu")
    movie = farm.projects / "shot.mp4"
    source = "testsrc2=size=1280x720:rate=24:duration=3,noise=alls=80:allf=t"
    command = [
        *("docker", "exec", kitsu["Id"], "ffmpeg", "-v", "error", "-f", "lavfi", "-i", source),
        *("-pix_fmt", "yuv420p", "-preset", "ultrafast", "-qp", "12"),
        *("-movflags", "frag_keyframe", "-f", "mp4", "-"),
    ]
    with movie.open("wb") as file:
        subprocess.run(command, stdout=file, check=True)
    assert movie.stat().st_size > 8 * MB
    submission = publish(farm, "/projects/shot.mp4", wait_until_ready=True)
    seen: list[int] = []

    def has_moved() -> bool:
        row = farm.flower(f"/api/task/info/{submission.id}")
        if row.ok and row.json()["state"] == "PROGRESS":
            seen.append(row.json()["bytes_read"])
        return len(set(seen)) >= 3 or submission.record().is_final

    wait_until(has_moved, 60, every=0.3)
    assert len(set(seen)) >= 3, seen
    assert seen == sorted(seen)
    assert seen[-1] <= movie.stat().st_size
    _comment, preview = submission.wait(120)
    assert preview["status"] == "ready"

    def is_done() -> bool:  # the record of the end is there before the event
        found: dict[str, Any] = farm.flower(f"/api/task/info/{submission.id}").json()
        return bool(found["state"] == "SUCCESS")

    wait_until(is_done, 30, every=0.3)
    copy = submit.download_preview_file(preview["id"], "/projects/copy.mp4")
    copy.wait(60)
    assert (farm.projects / "copy.mp4").stat().st_size > MB
    assert (farm.projects / "copy.mp4").stat().st_uid == 10001
    assert (copy.record().worker or "").startswith("downloads@")


def test_two_hosts_share_the_queue(farm: Farm) -> None:
    path = a_file(farm, "shared.zip", 6 * MB)
    submissions = [publish(farm, path) for _ in range(4)]
    for one in submissions:
        one.wait(90)
    hosts = farm.upload_workers()
    took = {hosts[one.record().worker or ""].name for one in submissions}
    assert took == {farm.first.name, farm.second.name}


def test_a_transfer_of_a_killed_container_ends_once_on_another_host(farm: Farm) -> None:
    size = 40 * MB  # ten seconds, in which the engine has to be asked for the container
    submission = publish(farm, a_file(farm, "killed.zip", size))
    wait_until(lambda: submission.progress().bytes_read > MB, 30)
    killed = submission.record().worker or ""
    host = farm.upload_workers()[killed]
    container = killed.partition("@")[2]
    docker("kill", "--signal", "KILL", container)
    try:
        # A dead worker's message is given back after a minute without a sign of life.
        _comment, preview = submission.wait(240)
        ended_on = submission.record().worker or ""
        assert ended_on != killed
        assert farm.upload_workers()[ended_on].name != host.name
        [comment] = comments_of(farm, submission)
        assert [one["id"] for one in comment["previews"]] == [preview["id"]]
        stored = gazu.files.get_preview_file(preview["id"], client=farm.kitsu)
        assert stored["file_size"] == size
    finally:
        docker("start", container)
        host.wait_for_health("upload-worker", 1)


def test_flower_shows_nothing_to_who_has_no_password(farm: Farm) -> None:
    for path in ("/", "/api/tasks", "/api/workers"):
        url = f"http://{farm.first.address('flower', 5555)}{path}"
        assert requests.get(url, timeout=10).status_code == 401
        assert farm.flower(path, user="farm:wrong").status_code == 401
        assert farm.flower(path).status_code == 200


def test_redis_asks_for_the_password_and_forgets_nothing(farm: Farm) -> None:
    with sender().connection_for_write() as connection:
        client = connection.default_channel.client
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    [redis] = farm.first.containers("redis")
    assert "NOAUTH" in docker("exec", redis["Id"], "redis-cli", "ping", check=False)


def test_prometheus_reads_the_metrics(farm: Farm) -> None:
    url = f"http://{farm.first.address('prometheus', 9090)}/api/v1/query"

    def value() -> list[Any]:
        answer = requests.get(url, params={"query": 'up{job="farm_tasks"} == 1'}, timeout=10)
        return list(answer.json()["data"]["result"])

    wait_until(value, 40, every=0.5)


def test_no_container_has_more_rights_than_it_needs(farm: Farm) -> None:
    for one in farm.first.containers():
        who, container = service_of(one), one["Id"]
        assert docker("exec", container, "id", "-u") != "0", who
        status = docker("exec", container, "cat", "/proc/1/status")
        assert "NoNewPrivs:\t1" in status, who
        assert "CapEff:\t0000000000000000" in status, who
        for place in ("/probe", "/usr/probe", "/etc/probe"):
            refused = subprocess.run(
                ["docker", "exec", container, "touch", place],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert "Read-only file system" in refused.stderr, (who, place, refused.stderr)
        assert one["HostConfig"]["Memory"] > 0, who
        assert one["HostConfig"]["NanoCpus"] > 0, who
        assert one["HostConfig"]["PidsLimit"] > 0, who
        assert one["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", who
        assert one["HostConfig"]["LogConfig"]["Config"]["max-size"], who


def test_no_secret_is_in_what_docker_tells_or_writes(farm: Farm) -> None:
    secrets = {path.name: path.read_text().strip() for path in farm.secrets.iterdir()}
    secrets["flower_users"] = secrets["flower_users"].partition(":")[2]
    for one in farm.first.containers(stopped=True):
        told = docker("inspect", one["Id"]) + docker("history", "--no-trunc", one["Image"])
        written = subprocess.run(
            ["docker", "logs", one["Id"]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        ).stdout  # fmt: skip
        running = docker("top", one["Id"], "-eo", "pid,args") if one["State"]["Running"] else ""
        for name, secret in secrets.items():
            assert secret
            for place in (told, written, running):
                assert secret not in place, (service_of(one), name)


def test_workers_are_added_with_scale(farm: Farm) -> None:
    started = ("compose", "up", "--detach", "--no-build", "--no-recreate", "--no-deps")
    farm.first.run(*started, "--scale", "upload-worker=3", "upload-worker")
    farm.first.wait_for_health("upload-worker", 3)
    names = set(farm.upload_workers())
    assert len(names) == 4

    def all_answer() -> bool:
        answers = sender().control.ping(timeout=3)
        return names <= {name for one in answers for name in one}

    wait_until(all_answer, 30)
    farm.first.run(*started, "--scale", "upload-worker=1", "upload-worker")
    assert len(farm.first.containers("upload-worker")) == 1


def test_what_the_example_says_of_a_setting_is_what_the_compose_file_takes() -> None:
    root = Path(__file__).parents[2]
    compose = (root / "docker-compose.yml").read_text()
    example = [
        line.partition("=")[0]
        for line in (root / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    for name in example:
        assert name.startswith("COMPOSE_") or f"${{{name}" in compose, name
