"""What waits at the broker: how many messages, and the first of each list.

With Redis as the broker a queue is a list for each priority, whose names kombu knows. Nothing is
read but lengths and one message of each list, however many wait. Another broker says how many there
are, and no more.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from farm_tasks.monitor.metrics import connection


@dataclasses.dataclass(frozen=True)
class Waiting:
    """What a broker says.

    Attributes:
        messages: How many wait, by queue.
        first: The next message of each list of a queue, as it lies there; None where the broker
            does not show it.
        held: How many messages workers have; None where the broker does not say.
    """

    messages: dict[str, int]
    first: dict[str, list[bytes]] | None = None
    held: int | None = None


class Broker:
    """A connection to the broker that is made when it is needed, and again after a failure.

    Args:
        app: Its configuration says where the broker is.
        queues: The names that are asked for.
    """

    def __init__(self, app: Any, queues: tuple[str, ...]) -> None:
        self._app = app
        self._queues = queues
        self._connection: Any = None
        self._channel: Any = None

    def look(self) -> Waiting:
        """Ask, now.

        Raises:
            Exception: whatever the broker's library raises when it cannot be reached.
        """
        try:
            if self._connection is None:
                self._connection = connection.broker(self._app)
                self._connection.connect()
            if self._connection.transport.driver_type == "redis":
                return self._look_into_redis()
            return Waiting({queue: self._declared(queue) for queue in self._queues})
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        lost, self._connection, self._channel = self._connection, None, None
        if lost is not None:
            with contextlib.suppress(Exception):
                lost.collect()

    def _look_into_redis(self) -> Waiting:
        if self._channel is None:
            self._channel = self._connection.channel()
        channel = self._channel
        lists = [
            (queue, channel._q_for_pri(queue, priority))  # noqa: SLF001 (kombu names them nowhere)
            for queue in self._queues
            for priority in channel.priority_steps
        ]
        with channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipeline:
            for _, name in lists:
                pipeline.llen(name)
                pipeline.lindex(name, -1)
            pipeline.hlen(channel.unacked_key)
            *answers, held = pipeline.execute()
        messages = dict.fromkeys(self._queues, 0)
        first: dict[str, list[bytes]] = {queue: [] for queue in self._queues}
        for (queue, _), length, message in zip(lists, answers[::2], answers[1::2], strict=True):
            messages[queue] += length
            if message is not None:
                first[queue].append(message)
        return Waiting(messages, first, held)

    def _declared(self, queue: str) -> int:
        """How many messages a queue has; none if it is not there."""
        channel = self._connection.channel()
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except self._connection.channel_errors:  # which close the channel, and nothing else
            return 0
        finally:
            with contextlib.suppress(Exception):
                channel.close()
