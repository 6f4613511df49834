"""A worker outlives whatever lies in its queue, and serves on."""

from __future__ import annotations

import inspect
import json
import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from farm_tasks import errors, submit
from farm_tasks.states import FINAL_STATES, result_key
from farm_tasks.worker.app import app
from tests.acceptance.farm import Farm, running_farm
from tests.security import messages
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos

MIB = 1024 * 1024
UNACKED = app.conf.broker_transport_options

MOST_GROWTH = 256 * MIB
"""Of all processes together. What fails leaves garbage: with each error Celery copies a traceback,
0.2 MB, that lives until Python's next full collection."""

SEED = 20_240_611
AT_RANDOM = 400
CALLS_AT_RANDOM = 300


def serves(farm: Farm) -> None:
    sent = farm.new_file("real.blend", 3 * MIB)
    answer = submit.upload_working_file(WORKING_FILE, str(sent)).wait(60)
    assert answer["size"] == 3 * MIB


def is_idle(farm: Farm) -> bool:
    with farm.redis.client(0) as redis:
        left = redis.llen("farm_tasks") + sum(
            redis.llen(f"farm_tasks\x06\x16{priority}") for priority in range(10)
        )
        return (
            not left
            and not redis.zcard(UNACKED["unacked_index_key"])
            and not redis.hlen(UNACKED["unacked_key"])
        )


def memory(farm: Farm) -> int:
    family = [psutil.Process(farm.worker.pid), *farm.worker.children()]
    return sum(one.memory_info().rss for one in family)


def all_functions() -> list[Any]:
    app.loader.import_default_modules()
    return [task for name, task in app.tasks.items() if name.startswith("farm_tasks.")]


def wrong_calls(folder: Path, count: int) -> Iterator[tuple[str, Any, Any]]:
    """Task names with arguments that cannot work, each for a reason."""
    chance = random.Random(SEED)
    os.mkfifo(folder / "pipe.blend")
    (folder / "zero.blend").symlink_to("/dev/zero")
    (folder / "loop.blend").symlink_to("loop.blend")
    (folder / "up").symlink_to("/")
    paths = [
        "relative.blend", "", " ", "\x00", f"{folder}/a\x00b", f"{folder}/../../../../etc/passwd",
        "/" + "a" * 10_000, f"{folder}/" + "a/" * 5_000, f"{folder}/" + "a" * 300, "/dev/zero",
        "/dev/stdin", "/proc/self/mem", "/proc/self/environ", "/proc/self/fd/0", str(folder), "/",
        f"{folder}/pipe.blend", f"{folder}/zero.blend", f"{folder}/loop.blend",
        f"{folder}/up/etc/passwd", f"{folder}/missing.blend", f"{folder}/\x1b[2J.blend",
        f"{folder}/\udcff.blend", f"{folder}/missing/../..", "file:///etc/passwd", "//etc/passwd",
        "C:\\render\\a.blend", r"\\server\share\a.blend", "~/a.blend", "$HOME/a.blend",
    ]  # fmt: skip
    for path in paths:
        yield "farm_tasks.upload_working_file", [WORKING_FILE, path], {}
        yield "farm_tasks.download_working_file", ["x", path], {}
    for value in messages.NASTY:
        yield "farm_tasks.upload_working_file", [value, f"{folder}/missing"], {}
        yield "farm_tasks.add_comment", [], {"task": value, "task_status": value}
    functions = all_functions()
    assert len(functions) > 25
    while count > 0:
        count -= 1
        task = chance.choice(functions)
        names = list(inspect.signature(task.run).parameters)
        chosen = chance.sample(names, chance.randint(0, len(names)))
        kwargs = {name: chance.choice(messages.NASTY) for name in chosen}
        if chance.random() < 0.2:
            kwargs["unheard_of"] = chance.choice(messages.NASTY)
        yield task.name, [chance.choice(messages.NASTY)] * chance.randint(0, 2), kwargs


def test_a_worker_outlives_more_than_five_hundred_malformed_messages(farm: Farm) -> None:
    outlives(farm, [*messages.by_hand(), *messages.at_random(AT_RANDOM, SEED)])


def test_so_does_one_with_threads(tmp_path: Path) -> None:
    with running_farm(tmp_path, "threads", concurrency=2) as farm:
        outlives(farm, list(messages.by_hand())[::6])


def outlives(farm: Farm, sent: list[bytes]) -> None:
    serves(farm)
    pid, slots = farm.worker.pid, {one.pid for one in farm.worker.children()}
    before, log_before = memory(farm), farm.worker.log.stat().st_size
    with farm.redis.client(0) as redis:
        for message in sent:
            redis.lpush("farm_tasks", message)
        for garbage in (b"garbage", b"null", b"{}", b"[]", messages.DEEP.encode(), b"\xff"):
            redis.publish("/0.celery.pidbox", garbage)
    wait_until(lambda: is_idle(farm), 60)
    serves(farm)
    assert farm.worker.pid == pid
    assert psutil.pid_exists(pid)
    assert {one.pid for one in farm.worker.children()} == slots
    assert memory(farm) - before < MOST_GROWTH
    log = farm.worker.log.read_text(errors="replace")
    assert "Unrecoverable" not in log
    assert log.count(" was dropped: ") > 0.6 * len(sent)
    # No storm: a few lines for each, and none of the megabytes that were in them.
    assert farm.worker.log.stat().st_size - log_before < 2000 * len(sent)
    assert "\x1b" not in log.partition(" ready.")[2]


def test_wrong_arguments_end_as_errors_of_ours(farm: Farm) -> None:
    folder = farm.folder / "wrong"
    folder.mkdir()
    pid, before, log_before = farm.worker.pid, memory(farm), farm.worker.log.stat().st_size
    calls = {str(uuid.uuid4()): call for call in wrong_calls(folder, CALLS_AT_RANDOM)}
    with farm.redis.client(0) as redis:
        for task_id, (name, args, kwargs) in calls.items():
            message = messages.envelope(kwargs, name, args=args)
            message["headers"]["id"] = task_id
            redis.lpush("farm_tasks", json.dumps(message))
    wait_until(lambda: is_idle(farm), 90)
    known = {name for name, one in vars(errors).items() if isinstance(one, type)}
    dropped = 0
    with farm.redis.client(1) as redis:
        for task_id, call in calls.items():
            stored = redis.get(result_key(task_id))
            if stored is None:
                dropped += 1
                continue
            meta = json.loads(stored)
            assert meta["status"] in FINAL_STATES
            assert meta["status"] == "FAILURE", call
            assert meta["result"]["exc_type"] in known, (call, meta["result"])
            assert len(json.dumps(meta["result"])) < 20_000
    log = farm.worker.log.read_text(errors="replace")
    assert log.count(" was dropped: ") >= dropped
    assert dropped < len(calls) / 3
    assert farm.worker.pid == pid
    serves(farm)
    assert memory(farm) - before < MOST_GROWTH
    assert farm.worker.log.stat().st_size - log_before < 6000 * len(calls)
    # Through O_NONBLOCK or not at all: nobody waited for a writer of the pipe.
    assert not [path for path in folder.iterdir() if path.name.startswith("missing")]
