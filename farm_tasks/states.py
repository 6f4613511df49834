"""The states of a submission, and the names of what is kept of it in Redis.

Shared by submitters and workers. States are Celery's own, and two more: ``QUEUED``, written at
submission, and ``PROGRESS``, written while bytes move.
"""

from __future__ import annotations

import hashlib

QUEUED = "QUEUED"
STARTED = "STARTED"
PROGRESS = "PROGRESS"
RETRY = "RETRY"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"

FINAL_STATES = frozenset({SUCCESS, FAILURE, REVOKED})

KEY_FIELD = "submission_key"
"""Where a record and a message hold the key that a submission was made with."""

FARM_JOB_FIELD = "farm_job"
"""Where they hold the farm job that the submission belongs to."""

LONGEST_FARM_JOB = 200
"""Printable characters that a farm job is known by, at most."""

PRIORITY_FIELD = "priority"
"""Where a record holds how urgent the submission is; its message has a number for that."""

INDEX_KEY = "farm-tasks:submissions"
"""Sorted set of submission ids by the time they were submitted (seconds since the epoch)."""

GROUPS_KEY = "farm-tasks:groups"
"""Sorted set of group ids by the time they were made (seconds since the epoch)."""

OPEN_KEY = "farm-tasks:open"
"""Sorted set of the ids of submissions that may not have ended, by when to look after them (seconds
since the epoch; see :mod:`farm_tasks.worker.lost_messages`).
"""


def result_key(submission_id: str) -> str:
    """Celery's key for a task's state, and the channel on which each change of it is published."""
    return f"celery-task-meta-{submission_id}"


def cancel_key(submission_id: str) -> str:
    """Set while a submission is wanted to stop."""
    return f"farm-tasks:cancel:{submission_id}"


def ledger_key(submission_id: str) -> str:
    """Hash of what the tries of a submission have done, and how they failed."""
    return f"farm-tasks:ledger:{submission_id}"


def submission_key(key: str) -> str:
    """Holds the id of the submission that was made with this key."""
    return f"farm-tasks:key:{hashlib.sha256(key.encode()).hexdigest()}"


def claim_key(submission_id: str) -> str:
    """Hash of a submission made with a key: ``key`` names what :func:`submission_key` does.

    Until its message is known to be sent, ``unsent`` holds a token of who is about to send it, and
    ``at`` since when, in Redis's seconds.
    """
    return f"farm-tasks:claim:{submission_id}"


def group_key(group_id: str) -> str:
    """List of the submission ids of a group, in order."""
    return f"farm-tasks:group:{group_id}"


def group_sum_key(group_id: str) -> str:
    """Hash of what a group's members add up to: see :mod:`farm_tasks.group_shares`."""
    return f"farm-tasks:group-sum:{group_id}"


def group_order_key(group_id: str) -> str:
    """Sorted set of a group's members that have a record: first what runs, then what failed."""
    return f"farm-tasks:group-order:{group_id}"


def group_read_key(group_id: str) -> str:
    """Set while no other watcher needs to read all records of a group that is silent."""
    return f"farm-tasks:group-read:{group_id}"


def groups_of_key(submission_id: str) -> str:
    """Hash of the groups that a submission is in, and of what it has added to each one's sum."""
    return f"farm-tasks:groups-of:{submission_id}"


def group_channel(group_id: str) -> str:
    """Where the id of each member is published when its record has been stored.

    Named as the records' channels are: users of Redis that may use those may use this one.
    """
    return result_key(group_id)


def lease_key(submission_id: str) -> str:
    """Hash that says which worker's a submission is, and since when it was heard of."""
    return f"farm-tasks:lease:{submission_id}"


def maker_key(entity_id: str) -> str:
    """The submission that has made what has this id in Kitsu."""
    return f"farm-tasks:maker:{entity_id}"


def lock_key(what: str) -> str:
    """Hash that says who is alone at something in Kitsu, such as ``preview:<id>``."""
    return f"farm-tasks:lock:{what}"
