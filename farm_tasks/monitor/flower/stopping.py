"""Stopping a transfer from Flower, in every pool and in the queue.

Celery's own revoke reaches workers by remote control, which a solo worker hears between transfers
only, and nobody for what waits in a queue. The wish to cancel in Redis reaches all of them.
"""

from __future__ import annotations

from farm_tasks.errors import UnknownSubmission
from farm_tasks.states import REVOKED
from farm_tasks.submit.record import Record, read
from farm_tasks.submit.submission import Submission


def stop(submission_id: str) -> Record | None:
    """Wish it to stop. Waits for Redis: not for the thread of Flower's event loop.

    Returns:
        Its record if it has ended by that, because no worker had it; else None.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    submission = Submission(submission_id)
    try:
        submission.cancel()
        record = read(submission_id)
    except UnknownSubmission:
        return None  # not one of ours
    return record if record.state == REVOKED else None
