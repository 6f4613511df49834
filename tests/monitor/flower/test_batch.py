"""Answers that many ask for, without a Flower."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Any

import pytest

from farm_tasks.errors import BrokerUnavailable
from farm_tasks.monitor.flower.batch import _Remembered


def test_a_huge_batch_is_asked_for_once_and_keeps_no_other_waiting() -> None:
    asked: list[str] = []
    ready = threading.Event()

    def ask(group: str) -> dict[str, Any]:
        asked.append(group)
        if group == "huge":
            assert ready.wait(10)
        return {"id": group}

    async def look() -> None:
        answers = _Remembered(ask)
        huge = [asyncio.ensure_future(answers("huge")) for _ in range(20)]
        assert await asyncio.wait_for(answers("small"), 5) == {"id": "small"}
        assert not any(one.done() for one in huge)
        ready.set()
        assert await asyncio.gather(*huge) == [{"id": "huge"}] * 20
        assert await answers("huge") == {"id": "huge"}

    asyncio.run(look())
    assert sorted(asked) == ["huge", "small"]


def test_an_answer_is_good_for_a_while() -> None:
    asked: list[float] = []

    def ask() -> dict[str, Any]:
        asked.append(time.monotonic())
        return {}

    async def look() -> None:
        answers = _Remembered(ask)
        await answers()
        [one] = answers._answers.values()
        assert one.until > asked[0] + 0.5
        one.until = math.inf
        await answers()
        assert len(asked) == 1
        one.until = 0.0
        await answers()
        assert len(asked) == 2

    asyncio.run(look())


def test_all_who_wait_hear_of_an_error() -> None:
    def ask() -> dict[str, Any]:
        raise BrokerUnavailable("Redis cannot be reached.")

    async def look() -> None:
        answers = _Remembered(ask)
        for found in await asyncio.gather(answers(), answers(), return_exceptions=True):
            assert isinstance(found, BrokerUnavailable)
        with pytest.raises(BrokerUnavailable):
            await answers()

    asyncio.run(look())
