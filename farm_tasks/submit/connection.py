"""The submitter's way to the broker and to Redis: an app that sends, and an impatient client."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from amqp.exceptions import AccessRefused, AMQPError, PreconditionFailed
from celery import Celery
from celery.backends.redis import RedisBackend
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from farm_tasks import redis_tls
from farm_tasks.errors import BrokerUnavailable, Denied, FarmTasksError, NotConfigured
from farm_tasks.settings import settings


class SubmitterBackend(RedisBackend):  # type: ignore[misc]
    """Celery's Redis backend, without a subscription for every message that is sent.

    Celery would keep one open for each, on a connection of its own, in case somebody asks its
    AsyncResult. A :class:`~farm_tasks.submit.submission.Submission` subscribes when it is watched.
    """

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing."""


@functools.lru_cache(maxsize=1)
def sender() -> Celery:
    """The app that messages are sent with. It knows no task; they are sent by name."""
    app = Celery("farm_tasks.submit", set_as_current=False)
    app.config_from_object("worker_config.celeryconfig")
    backend = f"{__name__}:{SubmitterBackend.__name__}"
    # For sending only: a worker waits on the broker's socket for as long as there is no message.
    if settings().broker_is_rabbitmq:
        timeouts = dict.fromkeys(["read_timeout", "write_timeout"], app.conf.redis_socket_timeout)
    else:
        timeouts = {
            "socket_timeout": app.conf.redis_socket_timeout,
            "socket_connect_timeout": app.conf.redis_socket_connect_timeout,
        }
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **timeouts}
    app.loader.override_backends = {"redis": backend, "rediss": backend}
    return app


@functools.lru_cache(maxsize=1)
def redis_client() -> Any:
    """A client of the result backend, as Celery connects to it."""
    backend = sender().backend
    backend.connparams["retry"] = Retry(NoBackoff(), 1)
    return backend.client


@contextlib.contextmanager
def reaching_redis() -> Iterator[None]:
    """Turn a Redis or RabbitMQ that cannot be reached into an error of ours.

    Raises:
        Denied: it refuses the password, or the user may not do this.
        NotConfigured: its certificate cannot be trusted, or it does not trust ours; or RabbitMQ has
            a queue that was made otherwise.
        BrokerUnavailable: it cannot be reached.
    """
    try:
        yield
    except (RedisError, OperationalError, AMQPError, OSError) as error:
        raise _told(error) from error


def _is_of_script(error: BaseException | None) -> bool:
    """Whether a script was not allowed to do a part of its work, as Redis 6 and 7 say it."""
    text = str(error)
    return "The user executing the script" in text or "ACL failure in script" in text


def _told(error: Exception) -> FarmTasksError:
    causes = [error, error.__cause__]  # kombu wraps what redis-py or py-amqp has raised
    if any(isinstance(cause, AccessRefused) for cause in causes):
        return Denied(f"RabbitMQ refuses this, or the user in FARM_TASKS_BROKER_URL ({error}).")
    if any(isinstance(cause, PreconditionFailed) for cause in causes):
        return NotConfigured(
            f"RabbitMQ has a queue of this name that was made otherwise ({error}): see "
            "docs/queues.md."
        )
    if any(isinstance(cause, AuthenticationError) for cause in causes):
        return Denied(
            "Redis refuses the user or password in FARM_TASKS_BROKER_URL or "
            "FARM_TASKS_RESULT_BACKEND."
        )
    if any(isinstance(cause, NoPermissionError) or _is_of_script(cause) for cause in causes):
        return Denied(f"The user of Redis may not do this ({error}): see docs/security.md.")
    setting = redis_tls.problem(error)
    if setting is not None:
        return NotConfigured(f"{setting} ({error})")
    who = "RabbitMQ or Redis" if settings().broker_is_rabbitmq else "Redis"
    return BrokerUnavailable(
        f"{who} cannot be reached ({error}). Is it running, and are FARM_TASKS_BROKER_URL and "
        "FARM_TASKS_RESULT_BACKEND right?"
    )
