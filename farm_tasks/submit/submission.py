"""A transfer that was asked for: where it is, how it ended, and how to stop it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from farm_tasks import message
from farm_tasks.cancelling import wish_to_cancel
from farm_tasks.errors import StillRunning
from farm_tasks.submit import feed, record
from farm_tasks.submit.connection import reaching_redis, redis_client, sender
from farm_tasks.submit.retrying import retry
from farm_tasks.transfer.progress import Progress


@dataclasses.dataclass(frozen=True)
class Submission:
    """A handle that can be made from the id alone, in any process, at any time.

    Attributes:
        id: Celery's task id.
    """

    id: str

    @classmethod
    def load(cls, submission_id: str) -> Submission:
        """The submission with this id.

        Raises:
            UnknownSubmission: there is none, or its record has expired.
            BrokerUnavailable: Redis cannot be reached.
        """
        record.read(submission_id)
        return cls(submission_id)

    def record(self) -> record.Record:
        """All that is known of it now.

        Raises:
            As :meth:`load` does.
        """
        return record.read(self.id)

    @property
    def state(self) -> str:
        """QUEUED, STARTED, PROGRESS, RETRY, SUCCESS, FAILURE or REVOKED."""
        return self.record().state

    def progress(self) -> Progress:
        """The last figures, from Redis."""
        return self.record().progress

    def watch(self, timeout: float | None = None) -> Iterator[Progress]:
        """Yield the progress as it is now and each time it changes, until the submission ends.

        Redis pushes the changes; nothing is polled.

        Args:
            timeout: Seconds after which the iteration ends, whatever the state.
        """
        for change in feed.follow([self.id], timeout):
            yield change.progress

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until it ends and return what the function returned.

        Args:
            timeout: Seconds to wait. None for ever.

        Raises:
            StillRunning: it has not ended after ``timeout`` seconds.
            FarmTasksError: it failed; the error is the worker's own.
        """
        last = None
        for last in feed.follow([self.id], timeout):  # noqa: B007 (the last one is wanted)
            pass
        if last is None or not last.is_final:
            raise StillRunning(f"Submission {self.id} has not ended after {timeout:g} s.")
        return last.outcome()

    def cancel(self) -> None:
        """Stop it: queued, it never starts; running, it ends at the next look at its progress.

        Raises:
            As :meth:`load` does.
        """
        self.record()
        with reaching_redis():
            waiting = wish_to_cancel(redis_client(), self.id)
            if waiting is not None and isinstance(waiting.get("kwargs"), dict):
                message.send(sender(), waiting)

    def retry(self) -> None:
        """Queue it again after it failed or was cancelled, under its id and with its arguments.

        What it has done already is not done again. One that is queued, or waits to be retried, is
        put into the queue once more: a message that Redis has lost is replaced by that.

        Raises:
            InvalidArgument: it has ended well, or its arguments are not known.
            StillRunning: it runs.
            UnknownSubmission, BrokerUnavailable: as :meth:`load`.
        """
        retry(self.id)
