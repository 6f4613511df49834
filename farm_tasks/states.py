"""The states of a submission, and the names of what is kept of it in Redis.

Shared by submitters and workers. States are Celery's own, and two more: ``QUEUED``, written at
submission, and ``PROGRESS``, written while bytes move.
"""

from __future__ import annotations

QUEUED = "QUEUED"
STARTED = "STARTED"
PROGRESS = "PROGRESS"
RETRY = "RETRY"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"

FINAL_STATES = frozenset({SUCCESS, FAILURE, REVOKED})

INDEX_KEY = "farm-tasks:submissions"
"""Sorted set of submission ids by the time they were submitted (seconds since the epoch)."""


def result_key(submission_id: str) -> str:
    """Celery's key for a task's state, and the channel on which each change of it is published."""
    return f"celery-task-meta-{submission_id}"


def cancel_key(submission_id: str) -> str:
    """Set while a submission is wanted to stop."""
    return f"farm-tasks:cancel:{submission_id}"


def group_key(group_id: str) -> str:
    """List of the submission ids of a group, in order."""
    return f"farm-tasks:group:{group_id}"


def lease_key(submission_id: str) -> str:
    """Hash that says which worker's a submission is, and since when it was heard of."""
    return f"farm-tasks:lease:{submission_id}"


def ledger_key(submission_id: str) -> str:
    """Hash of what the tries of a submission have done."""
    return f"farm-tasks:ledger:{submission_id}"


def claim_key(entity_id: str) -> str:
    """The submission that has made what has this id in Kitsu."""
    return f"farm-tasks:claim:{entity_id}"


def lock_key(what: str) -> str:
    """Hash that says who is alone at something in Kitsu, such as ``preview:<id>``."""
    return f"farm-tasks:lock:{what}"
