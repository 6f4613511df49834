"""Who a real Flower lets in."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.monitor.flower.running import Flower, running_flower
from tests.support.redis_server import RedisServer, running_redis
from tests.support.worker import KITSU_VARIABLES

pytestmark = pytest.mark.operations


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def addresses(redis: RedisServer) -> dict[str, str]:
    return {
        "FARM_TASKS_BROKER_URL": redis.url(0),
        "FARM_TASKS_RESULT_BACKEND": redis.url(1),
    }


@pytest.fixture(scope="module")
def open_flower(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """One without authentication."""
    with running_flower(tmp_path_factory.mktemp("open"), addresses(redis)) as flower:
        yield flower


REVOKE = "/api/task/revoke/some-task?terminate=true"


def asked(flower: Flower, method: str, path: str, headers: Mapping[str, str]) -> int:
    """The status of an answer to exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", flower.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in {"Content-Length": "0", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_without_authentication_it_listens_to_this_machine_alone(open_flower: Flower) -> None:
    assert open_flower.process is not None
    inodes = {
        (Path("/proc") / str(open_flower.process.pid) / "fd" / one.name).readlink().name
        for one in (Path("/proc") / str(open_flower.process.pid) / "fd").iterdir()
        if one.is_symlink()
    }
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                listening.append(fields[1])
    assert listening == [f"0100007F:{open_flower.port:04X}"]


def test_its_own_page_may_stop_a_task_and_nobody_elses(open_flower: Flower) -> None:
    own = f"http://localhost:{open_flower.port}"
    host = {"Host": f"localhost:{open_flower.port}"}
    for headers, status in (
        ({**host, "Origin": own}, 200),
        ({**host, "Sec-Fetch-Site": "same-origin"}, 200),
        (host, 401),
        ({**host, "Origin": "http://evil.example"}, 403),
        ({**host, "Origin": "null"}, 403),
        ({**host, "Origin": f"http://localhost:{open_flower.port + 1}"}, 403),
        ({**host, "Origin": own, "Sec-Fetch-Site": "cross-site"}, 403),
    ):
        assert asked(open_flower, "POST", REVOKE, headers) == status, headers


def test_a_name_that_was_made_to_point_to_this_machine_is_refused(open_flower: Flower) -> None:
    host = f"evil.example:{open_flower.port}"
    same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert asked(open_flower, "POST", REVOKE, same) == 403
    for path in ("/", "/tasks", "/task/some-task", "/api/tasks", "/metrics"):
        assert asked(open_flower, "GET", path, {"Host": host}) == 403, path


def test_what_else_the_api_can_do_stays_closed(open_flower: Flower) -> None:
    own = {"Origin": open_flower.url}
    for path in ("send-task/farm_tasks.upload_working_file", "async-apply/x", "apply/x"):
        assert open_flower.ask(f"/api/task/{path}", "POST", own)[0] == 401
    assert open_flower.ask("/api/worker/shutdown/w@host", "POST", own)[0] == 401
    assert open_flower.ask("/api/tasks")[0] == 200
    evil = {"Origin": "http://evil.example"}
    assert open_flower.ask("/api/tasks", headers=evil)[0] == 403


def test_users_in_a_file_are_asked_for_their_password(redis: RedisServer, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("ada:secret\n")
    environment = {**addresses(redis), "FARM_TASKS_FLOWER_USERS_FILE": str(users)}
    with running_flower(tmp_path, environment, "--address", "0.0.0.0") as flower:
        for path in ("/", "/tasks", "/task/x", "/api/tasks", "/metrics"):
            assert flower.ask(path)[0] == 401, path
        assert flower.ask("/healthcheck") == (200, "OK")
        for credential, status in (("ada:secret", 200), ("ada:wrong", 401), (":", 401)):
            token = base64.b64encode(credential.encode()).decode()
            headers = {"Authorization": f"Basic {token}"}
            assert flower.ask("/metrics", headers=headers)[0] == status
            assert flower.ask(REVOKE, "POST", headers)[0] == status
            evil = {**headers, "Origin": "http://evil.example"}
            assert flower.ask(REVOKE, "POST", evil)[0] in {401, 403}
        status, text = flower.ask("/api/tasks", headers={"Authorization": "Basic YWRhOnNlY3JldA=="})
        assert (status, json.loads(text)) == (200, {})


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [
        (["farm_tasks.cli", "flower", "--address", "0.0.0.0"], {}, "without authentication"),
        (["celery", "-A", "farm_tasks", "flower", "--address=::"], {}, "without authentication"),
        (["farm_tasks.cli", "flower"], {"FLOWER_BASIC_AUTH": ""}, "user:password"),
        (
            ["farm_tasks.cli", "flower"],
            {"FARM_TASKS_FLOWER_USERS_FILE": "/nowhere/users"},
            "/nowhere/users: No such file",
        ),
    ],
)
def test_it_does_not_start_where_anyone_could_come_in(
    redis: RedisServer, command: list[str], environment: dict[str, str], said: str
) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    ended = subprocess.run(
        [sys.executable, "-m", *command, *([] if command[0] == "celery" else ["--port", "0"])],
        env={**kept, **addresses(redis), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode not in {0, None}
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
