"""The farm job that a submission belongs to, as people and logs know it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

from farm_tasks.errors import InvalidArgument
from farm_tasks.states import LONGEST_FARM_JOB

VARIABLES = ("FARM_TASKS_FARM_JOB", "CUE_JOB", "QBJOBID")
"""Where it is looked for: our own variable, and what OpenCue and Qube set for their jobs."""


_environment_says: ContextVar[bool] = ContextVar("environment_says", default=True)


@contextlib.contextmanager
def environment_ignored() -> Iterator[None]:
    """For what another process has asked for: this one's farm job is not its."""
    token = _environment_says.set(False)
    try:
        yield
    finally:
        _environment_says.reset(token)


def farm_job_of(given: object = None) -> str | None:
    """The farm job that was given, or that the environment names.

    Raises:
        InvalidArgument: what was given, or set on purpose, cannot be one.
    """
    if given is not None:
        _check("farm_job", given)
        return str(given)
    for name in VARIABLES if _environment_says.get() else ():
        found = os.environ.get(name, "").strip()
        if not found:
            continue
        if name == VARIABLES[0]:
            _check(name, found)
        # A farm's own name for its job must not keep the job from submitting.
        return "".join(filter(str.isprintable, found))[:LONGEST_FARM_JOB] or None
    return None


def _check(name: str, value: object) -> None:
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= LONGEST_FARM_JOB
        or not value.isprintable()
    ):
        raise InvalidArgument(
            f"{name}: {value!r:.80} is not a text of 1 to {LONGEST_FARM_JOB} printable characters."
        )
