"""No token and no password is found anywhere after a night of successes and failures.

Every place that somebody else reads is searched, for each secret as it is and as it would look in
an address or in base64.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import gazu
import psutil
import pytest
import redis

from farm_tasks import submit
from farm_tasks.errors import FarmTasksError
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Submission
from tests.servers import Exchange, LoopbackServer, status
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, free_port, running_redis
from tests.support.waiting import wait_until
from tests.support.worker import KITSU_VARIABLES, running_worker

pytestmark = pytest.mark.chaos

NOBODY = "00000000-0000-4000-8000-000000000000"
REDIS_PASSWORD = "r3dis/p@ss:wörd#7"
WRONG_REDIS_PASSWORD = "wr0ng-r3dis?pass"
SIGNED_BY_NOBODY = (
    base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    + "."
    + base64.urlsafe_b64encode(b'{"exp":4102444800,"sub":"n0body-s1gned"}').decode().rstrip("=")
    + ".bm9ib2R5LXNpZ25lZC10aGlz"
)
SECRETS = {
    "the password of Redis": REDIS_PASSWORD,
    "a wrong password of Redis": WRONG_REDIS_PASSWORD,
    "a token signed by nobody": SIGNED_BY_NOBODY,
    "a malformed token": "n0t.a-t0ken-at-all",
    "a token for a server that is not trusted": "t0ken.for-the-untrusted",
    "a token that may nothing": "f0rbidden.token",
    "a wrong password of Kitsu": "hunter2-wr0ng/kitsu",
    "a password in an address": "in-the-addr3ss",
}


def forms(secret: str) -> set[bytes]:
    """What a secret may look like."""
    raw = secret.encode()
    found = {
        raw,
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        quote_plus(secret).encode(),
    }
    found |= {repr(secret)[1:-1].encode(), raw.hex().encode(), ascii(secret)[1:-1].encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):  # wherever it begins in a longer text
            coded = encode(b"\0" * offset + raw)
            found.add(coded[4 if offset else 0 : -4])
    return found


@dataclass
class Places:
    """Everything that was written or said, by where."""

    said: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, what: bytes | str) -> None:
        self.said[where] = what.encode() if isinstance(what, str) else what

    def leaks(self, secrets: dict[str, str]) -> list[str]:
        return [
            f"{name} in {where}"
            for where, what in self.said.items()
            for name, secret in secrets.items()
            if any(form in what for form in forms(secret))
        ] + [
            f"a token in {where}"
            for where, what in self.said.items()
            if re.search(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.", what)
        ]


@contextlib.contextmanager
def recorded_events(server: RedisServer, into: Places) -> Iterator[None]:
    """Keep every event and every command of remote control, as it goes over the wire."""
    heard: list[bytes] = []
    client = redis.Redis(port=server.port, socket_timeout=5)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe("*")
    ending = threading.Event()

    def listen() -> None:
        while not ending.is_set():
            message = pubsub.get_message(timeout=0.1)
            if message:
                heard.append(message["channel"] + b" " + message["data"])

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        pubsub.close()
        client.close()
        assert any(b"celeryev" in one for one in heard)
        assert any(b"celery-task-meta" in one for one in heard)
        into.add("events", b"\n".join(heard))


def read_redis(server: RedisServer, into: Places) -> None:
    """Every key of every database, and the files of Redis."""
    readers: dict[bytes, Any] = {
        b"string": lambda client, key: client.get(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1),
        b"hash": lambda client, key: client.hgetall(key),
    }
    keys = 0
    for database in range(16):
        with server.client(database) as client:
            for key in client.scan_iter("*"):
                keys += 1
                value = readers[client.type(key)](client, key)
                whole = value if isinstance(value, bytes) else repr(value).encode()
                into.add(f"Redis {database} {key!r}", key + b" " + whole)
    assert keys > 5
    with server.client(0) as client:
        client.config_set("rdbcompression", "no")
        client.save()
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert {"dump.rdb", "appendonly.aof", "redis.log"} <= {path.name for path in files}
    for path in files:
        into.add(path.name, path.read_bytes())


def read_processes(into: Places) -> None:
    lines = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    assert any("celery" in line for line in lines)
    into.add("the process list", "\n".join(lines))


def run_command(environment: dict[str, str], into: Places, *arguments: str) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    done = subprocess.run(
        [sys.executable, "-m", "farm_tasks.cli", *arguments],
        env={**kept, **environment}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.stdout + done.stderr
    into.add(f"farm-tasks {' '.join(arguments)} {len(into.said)}", done.stdout + done.stderr)


def read_flower(environment: dict[str, str], ids: list[str], log: Path, into: Places) -> None:
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    command = [
        sys.executable, "-m", "celery", "-A", "farm_tasks", "flower", "--address=127.0.0.1",
        f"--port={port}", "--logging=debug",
    ]  # fmt: skip

    def get(path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def is_up() -> bool:
        with contextlib.suppress(OSError):
            return bool(get("/healthcheck"))
        return False

    with log.open("wb") as output:
        flower = subprocess.Popen(
            command, stdout=output, stderr=output,
            env={**kept, **environment, "FLOWER_UNAUTHENTICATED_API": "1"},
        )  # fmt: skip
    try:
        wait_until(is_up, 30)
        # Celery's answer to it holds the whole configuration of each worker.
        names = wait_until(
            lambda: re.findall(rb'"(test-[^"]+@localhost)"', get("/api/workers?refresh=1")), 30
        )
        paths = ["/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers", "/metrics"]
        paths += [f"/worker/{name.decode()}" for name in names]
        paths += ["/api/queues/length", *(f"/api/task/result/{one}" for one in ids)]
        for path in paths:
            into.add(f"Flower {path}", get(path))
        read_processes(into)
    finally:
        flower.terminate()
        flower.wait(20)
    into.add("Flower's log", log.read_bytes())
    assert b"broker_url" in into.said[f"Flower /worker/{names[0].decode()}"]


def new_file(folder: Path, name: str) -> str:
    path = folder / name
    path.write_bytes(b"blend" * 1000)
    return str(path)


def test_no_secret_is_found_anywhere(sandbox: SandboxInfo, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    places = Places()
    secrets = {**SECRETS, "the bot's token": sandbox.bot_token}
    secrets["the password of Kitsu"] = sandbox.password
    kitsu = {"KITSU_HOST": sandbox.kitsu_host}
    login = {**kitsu, "KITSU_LOGIN": sandbox.login}
    with_password = {**kitsu, "KITSU_HOST": sandbox.kitsu_host.replace("//", "//a:in-the-addr3ss@")}

    def forbid(exchange: Exchange) -> None:
        is_root = exchange.target in {"/", "/api/"}
        status(200, {"version": "1"})(exchange) if is_root else status(403, {})(exchange)

    with (
        running_redis(tmp_path / "redis") as server,
        LoopbackServer(forbid) as forbidding,
        LoopbackServer(forbid, tls=True) as untrusted,
        recorded_events(server, places),
    ):
        with server.client(0) as client:
            client.execute_command("ACL", "SETUSER", "farm", "on", f">{REDIS_PASSWORD}", "~*", "&*",
                                   "+@all")  # fmt: skip

        def addresses(password: str) -> dict[str, str]:
            address = f"redis://farm:{quote(password, safe='')}@127.0.0.1:{server.port}"
            return {
                "FARM_TASKS_BROKER_URL": f"{address}/0",
                "FARM_TASKS_RESULT_BACKEND": f"{address}/1",
            }

        redis_of = addresses(REDIS_PASSWORD)
        roots = {"FARM_TASKS_READ_ROOTS": str(files), "FARM_TASKS_WRITE_ROOTS": str(files)}
        common = {**redis_of, **roots, "FARM_TASKS_RETRY_SECONDS": "0"}
        nights = {
            "good": {**kitsu, "KITSU_BOT_TOKEN": sandbox.bot_token},
            "unsigned": {**kitsu, "KITSU_BOT_TOKEN": SIGNED_BY_NOBODY},
            "malformed": {**kitsu, "KITSU_BOT_TOKEN": SECRETS["a malformed token"]},
            "forbidden": {
                "KITSU_HOST": forbidding.url,
                "KITSU_BOT_TOKEN": SECRETS["a token that may nothing"],
            },
            "not trusted": {
                "KITSU_HOST": untrusted.url,
                "KITSU_BOT_TOKEN": SECRETS["a token for a server that is not trusted"],
            },
            "password": {**login, "KITSU_PASSWORD": sandbox.password},
            "wrong password": {**login, "KITSU_PASSWORD": SECRETS["a wrong password of Kitsu"]},
        }
        succeeding = {"good", "password"}
        ids = []
        with environment_of({**kitsu, "KITSU_BOT_TOKEN": sandbox.bot_token}):
            made = gazu.files.new_working_file(
                sandbox.task_id, name="secrets", software=sandbox.software_id, client=kitsu_client()
            )
        with environment_of(redis_of):
            for name, variables in nights.items():
                with running_worker(
                    tmp_path / name.replace(" ", "-"), {**common, **variables}, "solo", 1,
                    alone=name != "good", log_level="DEBUG",
                ) as worker:  # fmt: skip
                    tries = [
                        submit.upload_working_file(made, new_file(files, f"{name}.blend")),
                        submit.download_working_file(NOBODY, str(files / "missing.blend")),
                        submit.upload_working_file(made, "/etc/passwd"),
                    ]
                    errors = []
                    for one in tries:
                        try:
                            one.wait(60)
                        except FarmTasksError as error:
                            errors.append(f"{error!r} {error}")
                    assert len(errors) == (2 if name in succeeding else 3), errors
                    places.add(f"the errors of {name}", "\n".join(errors))
                    ids += [one.id for one in tries]
                    if name == "good":
                        read_processes(places)
                        read_flower({**common, **variables}, ids, tmp_path / "flower.log", places)
                places.add(f"the log of {name}", worker.log.read_bytes())
                assert b"DEBUG" in worker.log.read_bytes()
            places.add("the records", repr([Submission(one).record() for one in ids]))
        refused = {**common, **addresses(WRONG_REDIS_PASSWORD), **nights["good"]}
        with running_worker(
            tmp_path / "refused", refused, "solo", 1, log_level="DEBUG", ready_when="Cannot connect"
        ) as worker:
            pass
        places.add("the log of a worker that Redis refuses", worker.log.read_bytes())
        good = {**common, **nights["good"]}
        for arguments in (["list"], ["list", "--failed", "--json"], ["status", *ids[:4]]):
            run_command(good, places, *arguments)
        run_command(refused, places, "list")
        nights["in the address"] = with_password
        for name in ("good", "wrong password", "malformed", "not trusted", "in the address"):
            run_command({**common, **nights[name]}, places, "doctor")
        read_redis(server, places)
    assert places.leaks(secrets) == []
    # A search that finds nothing must be one that can.
    for secret in secrets.values():
        for text in (secret, quote(secret), base64.b64encode(f"x {secret} y".encode()).decode()):
            assert Places({"here": text.encode()}).leaks({"it": secret})
