"""Celery alone, as a peer: an app with a task that does nothing but say when it ran."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from typing import Any

from celery import Celery

OURS: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_track_started": True,
    "task_send_sent_event": True,
    "worker_send_task_events": True,
    "result_extended": True,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
}
"""What of our configuration changes how much Celery does for each task."""


def noop(name: str, broker: str, backend: str) -> Celery:
    """The app.

    Args:
        name: Of its queue; ``ours`` for our settings, anything else for Celery's.
        broker: Address.
        backend: Address.
    """
    made = Celery(name, broker=broker, backend=backend, set_as_current=False)
    made.conf.task_default_queue = f"noop-{name}"
    # Beside another app in one Redis: neither takes the other's unacknowledged messages.
    made.conf.broker_transport_options = {
        f"unacked{one}_key": f"noop-{name}-unacked{one}" for one in ("", "_index", "_mutex")
    }
    if name == "ours":
        made.conf.update(OURS)
    made.task(_nothing, name="nothing")
    return made


def _nothing() -> float:
    """The task. Returns seconds of ``time.monotonic``, which all processes share."""
    return time.monotonic()


@contextlib.contextmanager
def sending(name: str, broker: str, backend: str) -> Iterator[Celery]:
    """The app for who sends."""
    with noop(name, broker, backend) as made:
        yield made
        # A result that is thrown away says so to Redis: while there is one.
        gc.collect()


if "NOOP" in os.environ:
    app = noop(*os.environ["NOOP"].split())
