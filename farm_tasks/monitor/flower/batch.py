"""The pages of batches: all of the last days, and one with its files.

Each page asks for its figures itself, once a second, as a page: so any authentication of Flower's
holds for both.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flower.views import BaseHandler
from tornado.web import HTTPError, authenticated, url

from farm_tasks.errors import FarmTasksError, UnknownSubmission
from farm_tasks.monitor.batches import batch, recent_batches

FRESH = 0.8
"""Seconds for which an answer is as good as a new one."""

_threads = ThreadPoolExecutor(4, "batches")
"""Of their own: however long a huge batch takes, the pages of tasks need not wait for it."""

_ID = "([A-Za-z0-9_.-]{1,100})"


def handlers() -> list[url]:
    """What Flower is to serve besides its own."""
    return [
        url("/batches", Batches, name="farm-tasks-batches"),
        url("/batches/figures", BatchesFigures),
        url(f"/batch/{_ID}", Batch),
        url(f"/batch/{_ID}/figures", BatchFigures),
    ]


class Batches(BaseHandler):  # type: ignore[misc]
    """The newest batches."""

    @authenticated
    def get(self) -> None:
        """Show the page."""
        self.render("batches.html")


class Batch(BaseHandler):  # type: ignore[misc]
    """One batch."""

    @authenticated
    def get(self, group_id: str) -> None:
        """Show the page."""
        self.render("batch.html", group_id=group_id)


class _Remembered:
    """Answers, for a while: many who look cost as much as one, and a huge batch not all the time.

    Args:
        ask: What gives an answer. It may wait for Redis: Flower does not, nor who asks something
            else.
    """

    def __init__(self, ask: Callable[..., dict[str, Any]]) -> None:
        self._ask = ask
        self._answers: dict[tuple[str, ...], _Answer] = {}

    async def __call__(self, *arguments: str) -> dict[str, Any]:
        """An answer that was asked for less than a second, or four times its own time, ago."""
        now = time.monotonic()
        self._answers = {key: one for key, one in self._answers.items() if one.until > now}
        if arguments not in self._answers:
            self._answers[arguments] = _Answer(self._ask, arguments)
        return await asyncio.shield(self._answers[arguments].coming)


class _Answer:
    """One that comes, or has come.

    Attributes:
        coming: The answer.
        until: Until when it is good; as long as it takes while it has not come.
    """

    def __init__(self, ask: Callable[..., dict[str, Any]], arguments: tuple[str, ...]) -> None:
        self._began = time.monotonic()
        self.until = math.inf
        self.coming = asyncio.get_running_loop().run_in_executor(_threads, ask, *arguments)
        self.coming.add_done_callback(self._has_come)

    def _has_come(self, _: object) -> None:
        self.until = self._began + max(FRESH, 4 * (time.monotonic() - self._began))


class _Figures(BaseHandler):  # type: ignore[misc]
    async def answer(self, ask: _Remembered, *arguments: str) -> None:
        """Send what ``ask`` returns, as JSON."""
        self.set_header("Cache-Control", "no-store")
        try:
            found = await ask(*arguments)
        except UnknownSubmission as error:
            raise HTTPError(404, str(error)) from error
        except FarmTasksError as error:
            raise HTTPError(503, str(error)) from error
        self.write(found)


class BatchesFigures(_Figures):
    """The newest batches, as JSON."""

    @authenticated
    async def get(self) -> None:
        """See :func:`farm_tasks.monitor.batches.recent_batches`."""
        await self.answer(_recent)


class BatchFigures(_Figures):
    """One batch, as JSON."""

    @authenticated
    async def get(self, group_id: str) -> None:
        """See :func:`farm_tasks.monitor.batches.batch`."""
        await self.answer(_batch, group_id)


_recent = _Remembered(lambda: {"batches": recent_batches()})
_batch = _Remembered(batch)
