"""A farm on two hosts, brought up as an operator does, with a Kitsu of its own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gazu
import pytest
import requests

from tests.containers.engine import answers
from tests.containers.host import OFFLINE, Host, bridge, docker
from tests.support.environment import environment_of
from tests.support.installed import missing

BANDWIDTH = "4MB/s"


@dataclass(frozen=True)
class Farm:
    """What runs.

    Attributes:
        first: Has Redis, Kitsu, Flower and a worker of each kind.
        second: Has an upload worker, and reaches the first as any other machine would.
        projects: The projects folder of both.
        secrets: The folder of the secrets.
        seed: Ids of what is in Kitsu.
        kitsu: A client of Kitsu, as the bot.
    """

    first: Host
    second: Host
    projects: Path
    secrets: Path
    seed: dict[str, Any]
    kitsu: Any

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def flower(self, path: str, *, user: str | None = None) -> requests.Response:
        """Flower's answer, by default to the user that ``make up`` made."""
        name, _, password = (user or self.secret("flower_users")).partition(":")
        url = f"http://{self.first.address('flower', 5555)}{path}"
        return requests.get(url, auth=(name, password), timeout=10)

    def upload_workers(self) -> dict[str, Host]:
        """The upload workers' names by Celery, and their hosts."""
        return {
            f"uploads@{one['Config']['Hostname']}": host
            for host in (self.first, self.second)
            for one in host.containers("upload-worker")
        }


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The farm; its submitter is this process."""
    if not (answers() and OFFLINE.exists()):
        missing("no Docker engine with the base images: make test-containers makes them")
    folder = tmp_path_factory.mktemp("farm")
    projects, secrets = folder / "projects", folder / "secrets"  # both made by `make up`
    shared = {
        "PROJECTS_DIR": str(projects),
        "SECRETS_DIR": str(secrets),
        "PUBLISH_ADDRESS": bridge(),
        "UPLOADS_AT_A_TIME": "1",
        "DOWNLOADS_AT_A_TIME": "1",
        "SMALL_AT_A_TIME": "1",
        "FARM_TASKS_BANDWIDTH": BANDWIDTH,
    }
    ports = dict.fromkeys(
        ["REDIS_PORT", "FLOWER_PORT", "METRICS_PORT", "KITSU_PORT", "PROMETHEUS_PORT"], ""
    )
    first = Host(
        f"farm-tasks-test-{os.getpid()}",
        folder,
        COMPOSE_PROFILES="kitsu,prometheus",
        KITSU_ENCODING_PRESET="ultrafast",
        **shared,
        **ports,
    )
    with contextlib.ExitStack() as ends:
        ends.callback(_end, first)
        first.run("up")
        [worker] = first.containers("upload-worker")
        token = docker("exec", worker["Id"], "cat", "/run/kitsu/bot_token")
        seed = docker("exec", worker["Id"], "cat", "/run/kitsu/seed.json")
        (secrets / "kitsu_bot_token").write_text(token)
        address, _, port = first.address("redis", 6379).partition(":")
        second = Host(
            f"farm-tasks-test-{os.getpid()}-second",
            folder,
            COMPOSE_PROFILES="",
            KITSU_HOST=f"http://{first.address('kitsu', 8080)}",
            KITSU_BOT_TOKEN_FILE="/run/secrets/kitsu_bot_token",
            FARM_TASKS_REDIS_HOST=address,
            FARM_TASKS_REDIS_PORT=port,
            **shared,
        )
        ends.callback(_end, second)
        second.run("up", "upload-worker")
        client = gazu.client.create_client(f"http://{first.address('kitsu', 8080)}")
        gazu.client.set_tokens({"access_token": token}, client=client)
        redis = f"redis://:{(secrets / 'redis_password').read_text()}@{address}:{port}"
        variables = {
            "FARM_TASKS_BROKER_URL": f"{redis}/0",
            "FARM_TASKS_RESULT_BACKEND": f"{redis}/1",
        }
        with environment_of(variables):
            yield Farm(first, second, projects, secrets, json.loads(seed), client)
    for host in (first, second):
        label = f"label=com.docker.compose.project={host.name}"
        assert not docker("ps", "--all", "--quiet", "--filter", label)
        assert not docker("volume", "ls", "--quiet", "--filter", label)


def _end(host: Host) -> None:
    # No test waits for workers that wait for transfers: how these end is tested elsewhere.
    if ids := [one["Id"] for one in host.containers()]:
        docker("kill", *ids, check=False)
    host.run("down", "--volumes")
