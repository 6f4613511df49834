"""Celery alone, as a peer: an app of a few lines whose task says when it ran."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator

from celery import Celery

QUEUE = "plain"


def plain_celery(broker: str, backend: str) -> Celery:
    """The app. With Celery's own settings, but for what keeps two apps in one Redis apart."""
    made = Celery("plain", broker=broker, backend=backend, set_as_current=False)
    made.conf.task_default_queue = QUEUE
    made.conf.broker_transport_options = {
        f"unacked{one}_key": f"plain-unacked{one}" for one in ("", "_index", "_mutex")
    }
    made.task(_moment, name="moment")
    return made


def _moment() -> float:
    """Seconds of ``time.monotonic``, which all processes share."""
    return time.monotonic()


@contextlib.contextmanager
def sending(broker: str, backend: str) -> Iterator[Celery]:
    """The app for who sends."""
    with plain_celery(broker, backend) as made:
        yield made
        # A result that is thrown away says so to Redis: while there is one.
        gc.collect()


if "PLAIN_CELERY" in os.environ:
    app = plain_celery(*os.environ["PLAIN_CELERY"].split())
