"""For which task a thread speaks, so that what it logs can say so.

Kept in a context variable: a thread that works for several tasks in turn runs what it does for each
in a copy of that task's context (:func:`contextvars.copy_context`).
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from celery.signals import task_postrun, task_prerun

from farm_tasks.entity import is_entity
from farm_tasks.plain_text import plain
from farm_tasks.states import LONGEST_FARM_JOB


class Speaker:
    """A task that runs.

    Args:
        task: Of what kind it is.
        request: Its own request.

    Attributes:
        task_id: Celery's id of it, which is the submission's.
    """

    def __init__(self, task: Any, request: Any) -> None:
        self.task_id = str(request.id)
        self.function = str(task.name).rpartition(".")[2]
        self._request = request
        self._fields: dict[str, Any] = {
            "task_id": self.task_id,
            "function": self.function,
            "attempt": request.retries + 1,
            "worker": request.hostname,
        }
        job = farm_job(request)
        if job is not None:
            self._fields["farm_job"] = job
        ids = kitsu_ids(task, self.function, request.args or (), request.kwargs or {})
        if ids:
            self._fields["kitsu"] = ids

    def fields(self) -> dict[str, Any]:
        """What is known of it by now, as a log has it."""
        meter = getattr(self._request, "meter", None)
        file = getattr(meter, "file", "")
        return {**self._fields, "file": plain(file)} if file else dict(self._fields)


_speaker: ContextVar[Speaker | None] = ContextVar("speaker", default=None)


def speaker() -> Speaker | None:
    """The task that this thread works for, if it does for one."""
    return _speaker.get()


def farm_job(request: Any) -> str | None:
    """What the submitter said of the farm job, in the message's header of that name."""
    headers = getattr(request, "headers", None) or {}
    job = getattr(request, "farm_job", None) or headers.get("farm_job")
    return None if job is None else plain(str(job)[:LONGEST_FARM_JOB])


def kitsu_ids(task: Any, function: str, args: Any, kwargs: Any) -> dict[str, str]:
    """The entities among a task's arguments, by the names that gazu has for them.

    What is no id is left out: the arguments have not been checked yet, and a comment is a text in
    some functions.
    """
    try:
        given = inspect.signature(task.run).bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {}
    found = {}
    for name, value in given.items():
        text = value.get("id") if isinstance(value, Mapping) else value
        if is_entity(function, name) and isinstance(text, str):
            try:
                found[name] = str(uuid.UUID(text))
            except ValueError:
                continue
    return found


@task_prerun.connect  # type: ignore[untyped-decorator]
def _begin(task: Any, **_: Any) -> None:
    _speaker.set(Speaker(task, task.request_stack.top))


@task_postrun.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    _speaker.set(None)
