"""The road from the broker into the worker, with a gate on it.

kombu reads whatever is in the list of a queue or on a channel as a message of its own. What is not
one raises in the worker's event loop, which ends the worker; the next one takes the next such
message, and so on. Here it is dropped, with a line in the log. (RabbitMQ hands out well-formed
messages alone; what is in them is checked in :mod:`farm_tasks.worker.consumer`.)

What depends on kombu's private methods is in this file alone; the versions in pyproject.toml bound
it. In use once :func:`install` has been called, which :mod:`farm_tasks.worker.app` does.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Iterator
from queue import Empty
from typing import Any

import redis
from amqp.exceptions import PreconditionFailed, RecoverableConnectionError
from kombu.transport import TRANSPORT_ALIASES, pyamqp, virtual
from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps

from farm_tasks import queues
from farm_tasks.plain_text import plain
from farm_tasks.worker.envelope import Unacceptable, checked
from farm_tasks.worker.patience import is_away
from farm_tasks.worker.waking import WakeablePoller

_REPLIES = ".reply.celery.pidbox"
"""The queues of who asks workers something, such as Flower; what is in them names no task."""

PAUSE = 1.0
"""Seconds to wait after a refusal."""

_NOTE = """
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
"""

logger = logging.getLogger(__name__)


def install() -> None:
    """Have every connection of this process to a broker use this road."""
    here = f"{__name__}:Transport"
    rabbitmq = f"{__name__}:RabbitMQTransport"
    TRANSPORT_ALIASES.update(amqp=rabbitmq, pyamqp=rabbitmq)
    TRANSPORT_ALIASES.update(amqps=f"{__name__}:RabbitMQTLSTransport")
    TRANSPORT_ALIASES.update(redis=here, rediss=here, sentinel=f"{__name__}:SentinelTransport")


@contextlib.contextmanager
def _refusal_is_loss() -> Iterator[None]:
    """Take a Redis that refuses to write for one that is away.

    A master that became a replica, one without room or with a full disk: Celery knows what to do
    with a lost connection, and ends the worker on any other error.
    """
    try:
        yield
    except redis.exceptions.ResponseError as error:
        if not is_away(error):
            raise
        time.sleep(PAUSE)  # or it would reconnect as fast as it can
        raise redis.exceptions.ConnectionError(str(error)) from error


class _Gate:
    """A client of Redis that hands out what a worker may take, and nothing else."""

    last_tag = ""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """Read an answer of Redis; an unacceptable message reads as none."""
        self.last_tag = ""
        with _refusal_is_loss():
            answer = super().parse_response(connection, command_name, **options)  # type: ignore[misc]
        if command_name != "BRPOP" or not answer:
            return answer
        key, data = answer
        queue = key.decode().rsplit(kombu_redis.Channel.sep, 1)[0]
        if queue.endswith(_REPLIES):
            return answer
        try:
            self.last_tag, message = checked(data, queue)
        except Unacceptable as reason:
            logger.error(
                "A message of %d bytes in %s was dropped: %s.",
                len(data),
                plain(queue),
                plain(reason),
            )
            return None
        return key, message


class _GatedRedis(_Gate, redis.Redis):
    pass


class _GatedPrefixedRedis(_Gate, kombu_redis.PrefixedStrictRedis):  # type: ignore[misc]
    pass


class _QoS(kombu_redis.QoS):  # type: ignore[misc]
    def append(self, message: Any, delivery_tag: Any) -> None:
        """Note that this worker has the message, by Redis's clock: hosts differ.

        kombu does so by the host's, in a transaction; this is one step as well.
        """
        delivery = message.delivery_info
        kept = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])  # noqa: SLF001
        # kombu puts it before no key of EVAL, but before the first of EVALSHA: so it is EVAL here.
        prefix = self.channel.global_keyprefix
        keys = [f"{prefix}{one}" for one in (self.unacked_index_key, self.unacked_key)]
        with _refusal_is_loss(), self.channel.conn_or_acquire() as client:
            client.eval(_NOTE, 2, *keys, delivery_tag, kept)
        virtual.QoS.append(self, message, delivery_tag)
        self.channel.connection.cycle.hear(self.channel)

    def ack(self, delivery_tag: Any) -> None:
        """Note that a message is done with."""
        with _refusal_is_loss():
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give a message back, or up."""
        with _refusal_is_loss():
            super().reject(delivery_tag, requeue)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Give a message back to its queue; drop what is none."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            logger.error(
                "An unacknowledged message was dropped: it cannot be read (%s).",
                type(error).__name__,
            )
            self._remove_from_indices(tag).execute()


class _Gated:
    """What both kinds of channels share."""

    QoS = _QoS
    client: Any
    qos: Any
    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # What is waited for, the first to be taken first. kombu wants them in rising order to find
        # a message's place; here each priority has one.
        self.priority_steps = list(queues.READING_ORDER)

    def priority(self, number: int) -> int:
        """The place of a message with this priority: its own."""
        return min(max(number, 0), queues.MOST_PRIORITY)

    def _get_client(self) -> Any:
        client = super()._get_client()  # type: ignore[misc]
        if isinstance(client, functools.partial):
            return functools.partial(_GatedPrefixedRedis, **client.keywords)
        return _GatedRedis

    def _brpop_read(self, **options: Any) -> Any:
        """Take the next message, and survive what Celery makes of it."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (Empty, MemoryError, *self.connection_errors):  # type: ignore[misc]
            raise
        except Exception:
            tag = self.client.last_tag
            if not tag:
                raise  # it was not a message
            message = self.qos._delivered.get(tag)  # noqa: SLF001
            # Once more, in case that it was this worker's fault; then it has to be the message's.
            again = message is not None and not message.delivery_info.get("redelivered")
            logger.critical(
                "A message could not be handled and %s.",
                "goes back to its queue" if again else "was dropped",
                exc_info=True,
            )
            if message is not None:
                self.qos.reject(tag, requeue=again)
            return True

    def _receive_one(self, client: Any) -> Any:
        """Take a message of remote control or an event, and survive it."""
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except (Empty, MemoryError, *self.connection_errors):  # type: ignore[misc]
            raise
        except Exception as error:
            logger.error("A broadcast was dropped: it cannot be read (%s).", type(error).__name__)
            return True


class _Channel(_Gated, kombu_redis.Channel):  # type: ignore[misc]
    pass


class _SentinelChannel(_Gated, kombu_redis.SentinelChannel):  # type: ignore[misc]
    pass


class _Wakeable:
    """What both kinds of transport share."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cycle = WakeablePoller()


class Transport(_Wakeable, kombu_redis.Transport):  # type: ignore[misc]
    """kombu's transport for Redis, with a gate."""

    Channel = _Channel


class SentinelTransport(_Wakeable, kombu_redis.SentinelTransport):  # type: ignore[misc]
    """The same by way of Sentinel."""

    Channel = _SentinelChannel


class _RabbitMQChannel(pyamqp.Channel):  # type: ignore[misc]
    def message_to_python(self, raw_message: Any) -> Any:
        """Make kombu's message, without unpacking it: a few bytes could become gigabytes.

        Nothing of ours is packed; what is will not be JSON, and is dropped as that.
        """
        headers = raw_message.properties.get("application_headers")
        if isinstance(headers, dict):
            headers.pop("compression", None)
        return super().message_to_python(raw_message)


class _RabbitMQConnection(pyamqp.Connection):  # type: ignore[misc]
    Channel = _RabbitMQChannel

    def drain_events(self, timeout: float | None = None) -> Any:
        """Read what has come.

        RabbitMQ closes the channel of who has not acknowledged a message for half an hour (see
        docs/queues.md). Celery ends the worker on that; here it connects again.
        """
        try:
            return super().drain_events(timeout)
        except PreconditionFailed as error:
            if "delivery acknowledgement" not in str(error):
                raise
            raise RecoverableConnectionError(str(error)) from error


class RabbitMQTransport(pyamqp.Transport):  # type: ignore[misc]
    """kombu's transport for RabbitMQ, which unpacks nothing."""

    Connection = _RabbitMQConnection


class RabbitMQTLSTransport(pyamqp.SSLTransport):  # type: ignore[misc]
    """The same by TLS."""

    Connection = _RabbitMQConnection
