"""Records as programs read them, and the exit code that they come to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.errors import FarmTasksError, PermanentFailure, TemporaryFailure
from farm_tasks.states import FAILURE, REVOKED

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record


def as_dict(record: Record) -> dict[str, Any]:
    """All that is known of a submission, as one flat JSON object."""
    return {
        "id": record.id,
        "key": record.key,
        "farm_job": record.farm_job,
        "queue": record.queue,
        "priority": record.priority,
        "function": record.function,
        "state": record.state,
        **record.progress.to_dict(),
        "ended": record.ended,
        "worker": record.worker,
        "error": None if record.error is None else _error_as_dict(record),
        "result": record.result,
        "arguments": record.arguments,
    }


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; what is not ASCII is escaped."""
    click.echo(json.dumps(value, default=str))


def error_of(record: Record) -> FarmTasksError | None:
    """What a submission failed with or was stopped by, or None."""
    if record.state not in {FAILURE, REVOKED}:
        return None
    try:
        record.outcome()
    except FarmTasksError as error:
        return error
    return None


def exit_code(record: Record) -> int:
    """0 unless it failed or was cancelled; then the code of its error."""
    error = error_of(record)
    return 0 if error is None else error.exit_code


def worst(codes: Iterable[int]) -> int:
    """The code that a farm must not overlook: one that is final before one that may be retried."""
    return max(codes, key=lambda code: 1 if code == TemporaryFailure.exit_code else code, default=0)


def reason(record: Record) -> str:
    """The error in words, or an empty string. Not escaped."""
    if record.error is None:
        return ""
    if isinstance(record.error, FarmTasksError):
        return str(record.error)
    return str(error_of(record) or f"{type(record.error).__name__}: {record.error}")


def _error_as_dict(record: Record) -> dict[str, Any]:
    known = record.error if isinstance(record.error, FarmTasksError) else error_of(record)
    return {
        "type": type(known or record.error).__name__,
        "message": reason(record),
        "retryable": known.retryable if known else False,
        "exit_code": known.exit_code if known else PermanentFailure.exit_code,
    }
