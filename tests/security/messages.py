"""Messages as Celery sends them, and the same made wrong in every way we could think of."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import random
import uuid
from collections.abc import Iterator
from typing import Any

DEEP = "[" * 100_000

NASTY: list[Any] = [
    None, True, 0, -1, 7, 2**63, -(2**63), 10**400, 1e308, float("inf"), float("nan"), 0.5,
    "", " ", "x", "many", "-1", "\x00", "\x1b]0;owned\x07", "a\nb\rc", "\u202egnp.exe",
    "\ud800", "\U0001f600" * 50, "a" * 70_000, "é" * 30_000, "../../../../etc/passwd",
    "/dev/zero", "/proc/self/mem", "/proc/self/environ", "/proc/1/root/etc/shadow", "~root",
    "%s%s%n{0.__class__}", "${HOME}", "'; FLUSHALL; --", "9999-12-31T23:59:59",
    "0001-01-01T00:00:00+23:59", "2026-02-30", [], {}, [[]], [None], ["x"] * 5000, [[[[[[]]]]]],
    {"id": None}, {"id": {"id": "x"}}, {"__class__": "x"}, {"": ""}, {"\x00": "\x00"},
    {"__type__": ["x"], "__value__": 1}, {"__type__": "bytes", "__value__": "!"},
    {"__type__": "datetime", "__value__": "soon"},
]  # fmt: skip


def body(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(content).decode()


def envelope(
    kwargs: Any = None,
    task: str = "farm_tasks.upload_working_file",
    embed: Any = None,
    args: Any = (),
) -> dict[str, Any]:
    """A message as Celery 5.6 writes it."""
    task_id = str(uuid.uuid4())
    links = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {
        "body": body([args, {} if kwargs is None else kwargs, embed or links]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": task, "id": task_id, "shadow": None, "eta": None,
            "expires": None, "group": None, "group_index": None, "retries": 0,
            "timelimit": [None, None], "root_id": task_id, "parent_id": None, "argsrepr": "()",
            "kwargsrepr": "{}", "origin": "gen1@farm", "ignore_result": False,
            "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
        },
        "properties": {
            "correlation_id": task_id, "reply_to": str(uuid.uuid4()), "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "farm_tasks"}, "priority": 0,
            "body_encoding": "base64", "delivery_tag": str(uuid.uuid4()),
        },
    }  # fmt: skip


def _with(path: str, value: Any) -> dict[str, Any]:
    message = envelope()
    where = message
    *outer, last = path.split("/")
    for part in outer:
        where = where[part]
    where[last] = value
    return message


def by_hand() -> Iterator[bytes]:
    """What is known to end a stock worker, or to fool it."""
    for text in (
        "", " ", "garbage", "null", "true", "7", "-0", "NaN", "[]", "{}", '"text"', "{", "[1,2",
        DEEP, '{"a":' * 50_000, '{"body": null}', '{"properties": {}}', "9" * 100_000,
        "\ufeff{}", '{"headers": {"task": "farm_tasks.add_comment"}}',
    ):  # fmt: skip
        yield text.encode()
    yield b"\x80\x04\x95"
    yield bytes(range(256))
    yield pickle.dumps({"task": "farm_tasks.add_comment"})
    yield b"x" * 5_000_000
    yield json.dumps(_with("body", "A" * 3_000_000)).encode()
    # Protocol 1 of Celery, which had everything in the body.
    yield json.dumps(
        _with("headers", {}) | {"body": body({"task": "farm_tasks.add_comment", "id": "x"})}
    ).encode()
    for content in (
        b"", b"{", b"\xff\xfe", DEEP.encode(), b"null", [], [[]], [[], {}], [{}, [], {}],
        [[], {}, {}, {}], [[], {}, "x"], [[], [], {}], ["args", {}, {}], {"args": [], "kwargs": {}},
        [[], {"a": "b" * 400_000}, {}], [[], {}, {"chord": "x"}], [[], {}, {"unheard": 1}],
    ):  # fmt: skip
        yield json.dumps(_with("body", body(content))).encode()
    for other in ("celery", "../../celery", "unacked", "farm_tasks\x06\x169", "_kombu.binding.x"):
        yield json.dumps(_with("properties/delivery_info/routing_key", other)).encode()
        yield json.dumps(_with("properties/delivery_tag", other)).encode()
    for task_id in (
        "x" * 1_000_000, "\x1b[2J", "a:b", "../x", "celery-task-meta-x", "farm-tasks:submissions",
        "\ud800", "",
    ):  # fmt: skip
        yield json.dumps(_with("headers/id", task_id)).encode()
    for name, value in (
        ("compression", "gzip"), ("compression", "application/x-bz2"), ("is_eager", True),
        ("called_directly", True), ("_protected", 1), ("stamped_headers", 7),
        ("stamped_headers", [["x"]]), ("taskset", "x"), ("chord", {"task": "x"}),
        ("callbacks", [{"task": "x"}]), ("replaced_task_nesting", "x"), ("group_index", "x"),
        ("delivery_info", 7), ("hostname", ["x"]), ("reply_to", {"x": 1}), ("utc", "no"),
        ("args", 7), ("kwargs", 7), ("headers", 7), ("stored", "ab"), ("lease_ended", 1),
        ("x" * 100_000, 1), ("sentry-trace", "1-2"),
    ):  # fmt: skip
        yield json.dumps(_with(f"headers/{name}", value)).encode()
    for task in (
        "celery.backend_cleanup", "celery.chord_unlock", "celery.map", "celery.starmap",
        "celery.chunks", "celery.group", "celery.chain", "celery.chord", "celery.accumulate",
        "os.system", "farm_tasks", "farm_tasks.", "farm_tasks.worker.app", "FARM_TASKS.add_comment",
        "farm_tasks.unheard_of", "farm_tasks.upload_working_file\n", "x" * 100_000,
    ):  # fmt: skip
        yield json.dumps(envelope(task=task)).encode()
    link = {"task": "celery.backend_cleanup", "args": [], "kwargs": {}, "options": {}}
    for embed in (
        {"callbacks": [link]}, {"errbacks": [link]}, {"chain": [link]}, {"chord": link},
        {"callbacks": link}, {"callbacks": "x"}, {"errbacks": [7]}, {"chain": [[]]},
        {"errbacks": [{**link, "task": "farm_tasks.add_comment"}]},
        {"callbacks": [{**link, "task": "farm_tasks.add_comment", "options": {"queue": "celery"}}]},
        {"callbacks": [{**link, "task": "farm_tasks.add_comment", "options": {"link": [link]}}]},
        {"callbacks": [{**link, "task": "farm_tasks.x", "options": {"serializer": "pickle"}}]},
        {"callbacks": [{**link, "task": "farm_tasks.x", "subtask_type": "group"}]},
    ):  # fmt: skip
        yield json.dumps(envelope(embed=embed)).encode()


def at_random(count: int, seed: int) -> Iterator[bytes]:
    """Valid messages with one to three fields replaced, taken away, added or cut."""
    chance = random.Random(seed)
    for _ in range(count):
        message = envelope({"working_file": str(uuid.uuid4()), "file_path": "/x"})
        for _ in range(chance.randint(1, 3)):
            _spoil(message, chance)
        data = json.dumps(message).encode()
        if chance.random() < 0.1:
            data = data[: chance.randrange(len(data))]
        elif chance.random() < 0.1:
            place = chance.randrange(len(data))
            data = data[:place] + chance.randbytes(chance.randint(1, 4)) + data[place + 1 :]
        yield data


def _spoil(message: dict[str, Any], chance: random.Random) -> None:
    where: Any = message
    while True:
        name = chance.choice(sorted(where)) if where else "x"
        inner = where.get(name)
        if isinstance(inner, dict) and chance.random() < 0.8:
            where = inner
            continue
        break
    what = chance.random()
    value = copy.deepcopy(chance.choice(NASTY))
    if what < 0.15:
        where.pop(name, None)
    elif what < 0.3:
        where[chance.choice(["x", "\x00", "task", "id", "link", "timelimit", "eta"])] = value
    elif name == "body":
        where[name] = body([[], {"working_file": value, "file_path": value}, {}])
    else:
        where[name] = value
