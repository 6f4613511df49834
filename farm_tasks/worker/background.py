"""A thread beside Celery's event loop, for as long as the worker runs; most need a broker of Redis.

The loop stands still while the solo pool works, and whenever Redis does.
"""

from __future__ import annotations

import threading
from typing import Any

from celery import bootsteps

PATIENCE = 2.0
"""Seconds that Redis may take to answer."""


class Background(bootsteps.StartStopStep):  # type: ignore[misc]
    """Runs :meth:`work` from the first connection until the worker has let go of its messages."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    needs_redis_broker = True

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def work(self, consumer: Any, ended: threading.Event) -> None:
        """Do what is to be done, until ``ended`` is set."""
        raise NotImplementedError

    def start(self, consumer: Any) -> None:
        """Begin, if the broker is Redis or need not be. Called again after each reconnect."""
        # RabbitMQ sees a dead worker by its connection. Sentinel's driver is Redis's.
        is_redis = consumer.connection.transport.driver_type == "redis"
        if self._thread is None and (is_redis or not self.needs_redis_broker):
            self._thread = threading.Thread(
                target=self.work, args=(consumer, self._ended), name=self.name, daemon=True
            )
            self._thread.start()

    def stop(self, consumer: Any) -> None:
        """Go on: what still runs has to stay with this worker until it has ended."""

    def shutdown(self, consumer: Any) -> None:
        """End, before the channel gives back what was not finished."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(2 * PATIENCE)


def impatient_connection(app: Any) -> Any:
    """A connection to the broker for a thread of its own, which does not wait long for Redis."""
    return app.connection_for_read(
        connect_timeout=PATIENCE,
        transport_options={"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE},
    )
