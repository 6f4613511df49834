"""A message's headers become attributes of Celery's request: they are not to be taken for ours."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import farm_tasks.worker
from farm_tasks.states import FINAL_STATES, lease_key, result_key
from farm_tasks.worker.envelope import OF_A_RUN, checked
from tests.acceptance.farm import Farm
from tests.security.messages import envelope
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until


def kept_on_requests() -> Iterator[str]:
    """What the worker's modules assign to a request."""
    for path in Path(farm_tasks.worker.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else ""
                if "request" in {name, getattr(owner, "id", "")}:
                    yield node.attr


def test_the_names_of_all_that_a_run_keeps_are_known() -> None:
    assert set(kept_on_requests()) == OF_A_RUN


@pytest.mark.parametrize("name", sorted(OF_A_RUN | {"_protected", "__class__"}))
def test_such_a_header_is_not_passed_on(name: str) -> None:
    message = envelope()
    message["headers"] |= {name: "ab", "sentry-trace": "1-2"}
    _, passed = checked(json.dumps(message).encode(), "farm_tasks")
    headers = json.loads(passed)["headers"]
    assert name not in headers
    assert headers["sentry-trace"] == "1-2"


def test_a_message_with_all_of_them_ends_as_any_other(farm: Farm) -> None:
    path = farm.new_file("headers.blend", 10)
    message = envelope(args=[WORKING_FILE, str(path)])
    message["headers"] |= dict.fromkeys(OF_A_RUN, "ab")
    task_id = message["headers"]["id"]
    with farm.redis.client(0) as redis:
        redis.lpush("farm_tasks", json.dumps(message))
    with farm.redis.client(1) as redis:

        def state() -> str:
            return str(json.loads(redis.get(result_key(task_id)) or "{}").get("status"))

        wait_until(lambda: state() in FINAL_STATES, 30)
        assert state() == "SUCCESS"
        wait_until(lambda: redis.hget(lease_key(task_id), "owner") == b"", 10)
