"""The exporter's way to Redis: Celery's configuration, and little patience.

Prometheus waits for ten seconds. A Redis that hangs has to be told of before that.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 2.0
"""Seconds that one answer may take."""


def connect() -> Celery:
    """An app that neither sends nor takes messages; its configuration says where all is."""
    app = Celery("farm_tasks.metrics", set_as_current=False)
    app.config_from_object("worker_config.celeryconfig")
    return app


def results(app: Celery) -> Any:
    """A client of the result backend."""
    backend = app.backend
    backend.connparams.update(
        socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )
    return backend.client


def broker(app: Celery) -> Any:
    """A connection to the broker; made when it is first used."""
    return app.connection_for_read(
        connect_timeout=PATIENCE,
        transport_options={
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "max_retries": 0,
        },
    )
