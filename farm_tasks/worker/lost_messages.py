"""What looks after submissions whose message has vanished.

kombu takes a message off its queue before it notes who has it: a host that loses its power or its
network in between, up to a second, takes the message with it. So does a Redis that comes back with
an older file. The record tells that the submission has not ended; if it is in no queue, with no
worker and has no lease, its message is sent again. One too many does no harm: it waits for the
lease, goes on from the ledger, and is dropped when the work has ended.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from kombu.utils.json import loads

from farm_tasks import message, queues
from farm_tasks.counting import of_change
from farm_tasks.errors import PermanentFailure
from farm_tasks.settings import settings
from farm_tasks.states import (
    FAILURE,
    FINAL_STATES,
    OPEN_KEY,
    lease_key,
    ledger_key,
    lock_key,
    result_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.worker.background import PATIENCE, Background, impatient_connection
from farm_tasks.worker.lease import LEASE, SUSPICION
from farm_tasks.worker.visibility import RENEWAL, TIMEOUT

INTERVAL = 60.0
"""Seconds between two looks, by whichever worker comes first; also until one is looked after for
the first time."""

SECOND_LOOK = 2 * RENEWAL
"""Seconds after which what was not found is looked for again: it may have been on its way."""

MOST_WAITING = 10_000
"""Messages in the queues above which nobody looks through them. When the queue is that long, one
submission more or less can wait."""

MOST_AT_ONCE = 10_000
"""Submissions that are looked after in one look, those first that were not for the longest time."""

MOST_RESENT = 10
"""How often one submission's message is sent again."""

_BATCH = 500

logger = logging.getLogger(__name__)


class LostMessages(Background):
    """Looks, as long as the worker runs."""

    def work(self, consumer: Any, ended: threading.Event) -> None:
        """See the module."""
        _Searcher(consumer.app, ended).run()


class _Searcher:
    """The thread's work."""

    def __init__(self, app: Any, ended: threading.Event) -> None:
        self._app = app
        self._ended = ended

    def run(self) -> None:
        self._app.backend.fail_fast(PATIENCE)  # this thread's own instance
        while not self._ended.wait(INTERVAL / 4):
            try:
                self._look()
            except Exception as error:
                # Redis is away, as the other threads have said by now; or a record is no record.
                logger.info("Lost messages are looked for later: %r", error)

    def _look(self) -> None:
        records = self._app.backend.client
        # Not released: whoever comes within the interval has nothing to do.
        if not records.set(lock_key("lost-messages"), 1, nx=True, ex=int(INTERVAL)):
            return
        if self._too_many_wait(queues.ALL):
            return
        now = records.time()[0]
        due = records.zrangebyscore(OPEN_KEY, 0, now - INTERVAL, start=0, num=MOST_AT_ONCE)
        candidates = self._not_ended(records, [one.decode() for one in due])
        missing = self._missing(records, candidates)
        if missing and self._ended.wait(SECOND_LOOK):
            return
        missing = self._missing(records, self._not_ended(records, missing))
        # First: should sending fail, they are looked after again.
        later = dict.fromkeys(candidates, now)
        for one in missing:
            del later[one]
        if later:
            records.zadd(OPEN_KEY, later, xx=True)
        for submission_id in missing:
            self._send_again(records, submission_id, now)

    def _not_ended(self, records: Any, ids: list[str]) -> list[str]:
        """Those that have not; the others are looked after no more."""
        open_ids: list[str] = []
        for some in _in_batches(ids):
            stored = records.mget([result_key(one) for one in some])
            still_open = [
                one
                for one, record in zip(some, stored, strict=True)
                if _status(record) not in FINAL_STATES | {None}
            ]
            ended = set(some) - set(still_open)
            if ended:
                records.zrem(OPEN_KEY, *ended)
            open_ids += still_open
        return open_ids

    def _missing(self, records: Any, ids: list[str]) -> list[str]:
        """Those that are nowhere."""
        homeless = [one for some in _in_batches(ids) for one in self._homeless(records, some)]
        if not homeless:
            return []
        names = {*queues.ALL, *_queues(records, homeless)}
        if self._too_many_wait(names):
            return []
        with self._channel() as channel, channel.conn_or_acquire() as client:
            found = set()
            for one in _lists(channel, names):
                found |= {_id(payload) for payload in client.lrange(one, 0, -1)}
            # With a worker last: that is where a message goes from its queue.
            found |= {_id(one, is_held=True) for one in client.hvals(channel.unacked_key)}
        return [one for one in homeless if one not in found]

    def _homeless(self, records: Any, ids: list[str]) -> list[str]:
        """Those that no worker has."""
        with records.pipeline(transaction=False) as pipeline:
            for one in ids:
                pipeline.hget(lease_key(one), "renewed")
            renewals = pipeline.execute()
        # That of a dead worker stays until somebody takes it, which needs a message.
        latest = records.time()[0] - LEASE - SUSPICION
        return [
            one
            for one, renewed in zip(ids, renewals, strict=True)
            if renewed is None or float(renewed) < latest
        ]

    def _too_many_wait(self, names: Iterable[str]) -> bool:
        with self._channel() as channel, channel.conn_or_acquire() as client:
            waiting: int = sum(client.llen(one) for one in _lists(channel, names))
        return waiting > MOST_WAITING

    @contextlib.contextmanager
    def _channel(self) -> Iterator[Any]:
        connection = impatient_connection(self._app)
        try:
            yield connection.channel()
        finally:
            connection.collect()

    def _send_again(self, records: Any, submission_id: str, now: float) -> None:
        stored = records.get(result_key(submission_id))
        record = loads(stored) if stored is not None else {}
        if not record.get("name") or not isinstance(record.get("kwargs"), dict):
            records.zrem(OPEN_KEY, submission_id)
            return
        if records.hincrby(ledger_key(submission_id), "resent", 1) > MOST_RESENT:
            self._give_up(records, submission_id, stored, record)
            return
        logger.error("The message of %s was lost, and is sent again.", submission_id)
        message.send(self._app, {**record, "task_id": submission_id})
        records.zadd(OPEN_KEY, {submission_id: now + TIMEOUT}, xx=True)

    def _give_up(
        self, records: Any, submission_id: str, stored: bytes, record: dict[str, Any]
    ) -> None:
        """List it as failed: workers drop its message, and say in their log why."""
        progress = record.get("progress") or record["result"]
        reason = (
            f"Its message was lost {MOST_RESENT} times. Do the workers' logs tell of a dropped one?"
        )
        failed = {
            **record,
            "status": FAILURE,
            "date_done": datetime.now(UTC).isoformat(),
            "progress": progress if isinstance(progress, dict) else None,
            "result": {
                "exc_type": PermanentFailure.__name__,
                "exc_message": [reason],
                "exc_module": PermanentFailure.__module__,
            },
        }
        replace(
            records,
            result_key(submission_id),
            stored,
            json.dumps(failed),
            settings().record_seconds,
            of_change(failed, record.get("status")),
        )
        records.hdel(ledger_key(submission_id), "resent")
        logger.error("%s failed: %s", submission_id, reason)


def _in_batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH))


def _lists(channel: Any, names: Iterable[str]) -> list[str]:
    """The lists in Redis that queues consist of, one for each priority."""
    return [
        channel._q_for_pri(name, priority)  # noqa: SLF001 (kombu names them nowhere)
        for name in names
        for priority in channel.priority_steps
    ]


def _queues(records: Any, ids: list[str]) -> set[str]:
    """The queues that their records name: a studio may have some of its own."""
    found = []
    for some in _in_batches(ids):
        stored = records.mget([result_key(one) for one in some])
        found += [json.loads(one).get("queue") for one in stored if _status(one)]
    return {one for one in found if isinstance(one, str)}


def _status(record: bytes | None) -> str | None:
    """The state in a record; None if there is none."""
    try:
        return str(json.loads(record or b"")["status"])
    except (ValueError, TypeError, KeyError):
        return None


def _id(payload: bytes, is_held: bool = False) -> str:
    """The submission's id in a message as kombu keeps it; "" if it is none."""
    try:
        envelope = json.loads(payload)
        return str((envelope[0] if is_held else envelope)["headers"]["id"])
    except (ValueError, TypeError, KeyError, IndexError):
        return ""
