"""Who a real Flower lets in."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from celery import Celery
from celery.events.event import get_exchange
from kombu import Producer

from tests.monitor.flower.running import Flower, running_flower
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until
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


def answer(flower: Flower, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """The status of an answer, and its headers by their lower-case names."""
    connection = http.client.HTTPConnection("127.0.0.1", flower.port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


FORGED: list[dict[str, object]] = [
    *({"name": 5}, {"name": ["x"]}, {"kwargs": "{[]: 1}"}, {"kwargs": "-" * 9999 + "1"}),
    *({"type": "task-progress", "percent": one} for one in (float("nan"), 10**400, "<img>")),
    *({"type": "task-received", "timestamp": one} for one in (float("inf"), 1e300, "now")),
    *({"type": "task-started", name: 5} for name in ("worker", "as_dict", "event", "children")),
    *({"kwargs": repr({"file_path": "/p/sh\udcf6t.ma"})}, {"sent": "x"}, {"first_seen": "x"}),
    *({"runtime": "x"}, {"exception": "\ud800"}, {"clock": float("inf")}, {"uuid": ["x"]}),
]


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
        ({**host, "Origin": "http://["}, 403),
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


def test_what_the_whole_api_is_opened_with_opens_it_to_no_other_site(
    redis: RedisServer, tmp_path: Path
) -> None:
    environment = {**addresses(redis), "FLOWER_UNAUTHENTICATED_API": "1"}
    with running_flower(tmp_path, environment) as flower:
        for path in ("/tasks", "/api/tasks", "/workers?json=1", "/batches/figures", "/metrics"):
            status, headers = answer(flower, path, {"Sec-Fetch-Site": "same-site"})
            assert status in {200, 403}, path
            assert not [one for one in headers if one.startswith("access-control")], path
            assert headers["x-frame-options"] == "SAMEORIGIN", path
        evil = {"Origin": "http://evil.example"}
        assert flower.ask("/api/tasks", headers=evil)[0] == 403
        assert flower.ask("/api/tasks")[0] == 200


def test_a_forged_event_does_not_blind_the_list(open_flower: Flower, redis: RedisServer) -> None:
    now = time.time()
    real = {"type": "task-sent", "uuid": "real", "hostname": "c@host", "timestamp": now}
    forged: list[object] = [
        *(None, 5, [], {}, {"type": "task-sent"}, {**real, "clock": "x", "type": "task-started"}),
        *({**real, "uuid": "forged", **one} for one in FORGED),
        {"type": "worker-heartbeat", "hostname": "w@host", "timestamp": now, "freq": None},
    ]
    app = Celery(broker=redis.url(0))
    with app.connection() as connection, connection.channel() as channel:
        exchange = get_exchange(connection)
        producer = Producer(channel, exchange)
        producer.publish(b"no JSON", content_type="application/json", routing_key="task.sent")
        producer.publish(b"x", content_type="application/x-python-serialize", routing_key="task.x")
        for one in (*forged, {**real, "name": "farm_tasks.x", "clock": 1, "utcoffset": 0}):
            producer.publish(one, serializer="json", routing_key="task.sent")
    app.close()
    wait_until(lambda: open_flower.task("real"), 10)
    for column in ("name", "received", "file", "percent", "state", "runtime", "worker"):
        query = f"draw=1&start=0&length=10&order[0][column]=0&columns[0][data]={column}"
        status, text = open_flower.ask(f"/tasks/datatable?{query}&search[value]=")
        listed = json.loads(text, parse_constant=lambda one: pytest.fail(f"{one} is no JSON"))
        assert (status, len(listed["data"])) == (200, 2), column
    for path in ("/api/tasks", "/workers", "/task/real", "/task/forged", "/metrics"):
        assert open_flower.ask(path)[0] == 200, path


def test_a_task_that_redis_cannot_tell_of_is_not_called_unknown(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with running_flower(tmp_path, addresses(redis_server)) as flower:
        assert flower.ask("/task/some-task")[0] == 404
        redis_server.stop()
        status, text = flower.ask("/task/some-task")
        assert status == 503
        assert "Redis cannot be reached" in text


def test_without_users_a_socket_is_for_the_account_that_runs_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "flower.sock"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    command = [sys.executable, "-m", "farm_tasks.cli", "flower", "--", f"--unix_socket={path}"]
    with (tmp_path / "log").open("wb") as log:
        flower = subprocess.Popen(command, env={**kept, **addresses(redis)}, stdout=log, stderr=log)
    try:
        wait_until(lambda: path.exists() and path.stat().st_mode & 0o777 == 0o600, 20)
        # Not told to end before: a SIGTERM that meets it while it starts a thread leaves that
        # thread waiting for ever (concurrent.futures knows of it a moment later), and it with it.
        wait_until(lambda: _answers(path), 20)
    finally:
        flower.terminate()
        flower.wait(60)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(10)
        asking.connect(str(path))
        asking.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b"200" in asking.recv(100)


def test_users_in_a_file_are_asked_for_their_password(redis: RedisServer, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("ada:secret\n")
    environment = {**addresses(redis), "FARM_TASKS_FLOWER_USERS_FILE": str(users)}
    with running_flower(tmp_path, environment, "--address", "0.0.0.0") as flower:
        for path in ("/", "/tasks", "/task/x", "/api/tasks", "/metrics"):
            assert flower.ask(path)[0] == 401, path
        assert flower.ask("/healthcheck") == (200, "OK")
        credentials = [
            ("ada:secret", 200),
            ("ada:wrong", 401),
            (":", 401),
            ("ad\u00e4:\u20ac", 401),
        ]
        for credential, status in credentials:
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
