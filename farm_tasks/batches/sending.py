"""The items of a batch into the queue, and what is known of them there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from farm_tasks.batches.report import REFUSED, ReportRow
from farm_tasks.errors import BrokerUnavailable, FarmTasksError
from farm_tasks.states import SUCCESS, result_key, submission_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.record import Record, decode
from farm_tasks.submit.submission import Submission

_AT_ONCE = 500
"""Keys in one question to Redis."""


@dataclass
class Entry:
    """One item of a batch on its way.

    Attributes:
        row: Its row of the report; of one that is not to be submitted the state says why.
        send: Submits it.
        key: Its key, or "".
        sent_at: When it was submitted, in seconds since the epoch.
        was_done: It had ended well before.
    """

    row: ReportRow
    send: Callable[[], Submission] | None = None
    key: str = ""
    sent_at: float = 0.0
    was_done: bool = False


def send_all(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Submit one after the other; yields each. What is refused has its error and stops nothing.

    Raises:
        BrokerUnavailable: Redis cannot be reached; what was submitted has its id.
    """
    for entry in entries:
        if entry.send is not None:
            entry.sent_at = time.time()
            try:
                entry.row.submission_id = entry.send().id
            except BrokerUnavailable:
                raise
            except FarmTasksError as error:
                entry.row.fail(REFUSED, error)
            else:
                entry.row.state = "queued"
        yield entry


def take_records(entries: Iterable[Entry]) -> None:
    """Note in the rows what Redis knows of them now.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    sent = [one for one in entries if one.row.submission_id]
    records = known([one.row.submission_id for one in sent])
    for entry in sent:
        # One whose record has expired keeps what was known of it.
        with contextlib.suppress(KeyError):
            record = records[entry.row.submission_id]
            entry.row.take(record, entry.sent_at, was_done=entry.was_done)


def ended_well(keys: Sequence[str]) -> set[str]:
    """Those keys whose submission has ended well already: submitted again, it is the same one.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    found = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        with reaching_redis():
            ids = redis_client().mget([submission_key(one) for one in some])
        holders = {key: one.decode() for key, one in zip(some, ids, strict=True) if one}
        records = known(list(holders.values()))
        found |= {
            key for key, one in holders.items() if one in records and records[one].state == SUCCESS
        }
    return found


def known(submission_ids: Sequence[str]) -> dict[str, Record]:
    """The records that there are, by id; one that has expired is left out.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    found = {}
    for start in range(0, len(submission_ids), _AT_ONCE):
        some = submission_ids[start : start + _AT_ONCE]
        with reaching_redis():
            values = redis_client().mget([result_key(one) for one in some])
        for one, value in zip(some, values, strict=True):
            if value is not None:
                found[one] = decode(one, value)
    return found
