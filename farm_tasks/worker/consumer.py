"""Celery's consumer, which lets a retry go where there is room for it, and guards RabbitMQ's road.

A message with a countdown waits in the worker that has read it. When its time has come and all
slots of that worker are taken, by movies that take hours perhaps, Celery would have it wait on.

What comes from Redis is checked before kombu sees it (:mod:`farm_tasks.worker.transport`). RabbitMQ
takes a message apart itself, so what comes from there is checked here, before Celery sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport import virtual

from farm_tasks.plain_text import plain
from farm_tasks.worker import limits
from farm_tasks.worker.envelope import Unacceptable, check_delivered
from farm_tasks.worker.logs import of_task
from farm_tasks.worker.pulse import pulse
from farm_tasks.worker.waking import WakeablePoller

logger = logging.getLogger(__name__)


class TransferConsumer(Consumer):  # type: ignore[misc]
    """See the module."""

    def apply_eta_task(self, task: Any) -> None:
        """Run a message whose time has come; or, if it cannot begin here, give it to any worker.

        It goes to the head of its queue: it has waited long enough.
        """
        has_slot = len(state.reserved_requests) < self.pool.num_processes
        if has_slot and not (self._is_redis and limits.starts.wait()):
            limits.begin(self)
            super().apply_eta_task(task)
            return
        reason = "this worker begins no more now" if has_slot else "no slot is free here"
        logger.info(
            "%s is due, and %s: for any worker.", task.id, reason, extra=of_task(task.id, task.name)
        )
        if self._is_redis:
            qos = task.message.channel.qos
            qos.restore_by_tag(task.message.delivery_tag)
            virtual.QoS.ack(qos, task.message.delivery_tag)  # here alone: in Redis it is back
            self.qos.decrement_eventually()
        else:
            self.qos.decrement_eventually()
            self.qos.update()  # or it would come back here at once
            task.message.requeue()

    def call_soon(self, p: Any, *arguments: Any, **options: Any) -> Any:
        """What a slot has the loop do: acknowledge its message. It is free by then: see waking."""
        called = super().call_soon(p, *arguments, **options)
        channel = getattr(self.task_consumer, "channel", None)
        poller = getattr(getattr(channel, "connection", None), "cycle", None)
        if isinstance(poller, WakeablePoller):
            poller.ring()
        return called

    def perform_pending_operations(self) -> None:
        """What Celery does in each turn of a loop without timers, which is Windows's."""
        pulse.turned()
        super().perform_pending_operations()

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        """What Celery does with a message; behind a gate, if it comes from RabbitMQ."""
        handle: Callable[[Any], Any] = super().create_task_handler(*arguments, **options)
        return handle if self._is_redis else self._guarded(handle)

    def _guarded(self, handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
        known = self.app.amqp.queues.consume_from
        default = self.app.conf.task_default_queue

        def check_and_handle(message: Any) -> Any:
            queue = message.delivery_info.get("routing_key")
            queue = queue if queue in known else default
            again = not message.delivery_info.get("redelivered")
            try:
                check_delivered(message, queue)
                return handle(message)
            except Unacceptable as reason:
                logger.error("A message in %s was dropped: %s.", plain(queue), plain(reason))
                message.reject()
            except (MemoryError, *self.connection_errors):
                raise
            except Exception:
                # Once more, in case that it was this worker's fault; then it is the message's.
                logger.critical(
                    "A message could not be handled and %s.",
                    "goes back to its queue" if again else "was dropped",
                    exc_info=True,
                )
                if not message.acknowledged:
                    message.reject(requeue=again)

        return check_and_handle

    @property
    def _is_redis(self) -> bool:
        return bool(self.connection.transport.driver_type == "redis")
