"""Celery's consumer, which lets a retry go where there is room for it.

A message with a countdown waits in the worker that has read it. When its time has come and all
slots of that worker are taken, by movies that take hours perhaps, Celery would have it wait on.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport import virtual

from farm_tasks.worker import limits
from farm_tasks.worker.logs import of_task

logger = logging.getLogger(__name__)


class TransferConsumer(Consumer):  # type: ignore[misc]
    """See the module."""

    def apply_eta_task(self, task: Any) -> None:
        """Run a message whose time has come; or, if it cannot begin here, give it to any worker.

        It goes to the head of its queue: it has waited long enough.
        """
        is_redis = self.connection.transport.driver_type == "redis"
        has_slot = len(state.reserved_requests) < self.pool.num_processes
        if not is_redis or (has_slot and not limits.starts.wait()):
            limits.begin(self)
            super().apply_eta_task(task)
            return
        reason = "this worker begins no more now" if has_slot else "no slot is free here"
        logger.info(
            "%s is due, and %s: for any worker.", task.id, reason, extra=of_task(task.id, task.name)
        )
        qos = task.message.channel.qos
        qos.restore_by_tag(task.message.delivery_tag)
        virtual.QoS.ack(qos, task.message.delivery_tag)  # here alone: in Redis it is back already
        self.qos.decrement_eventually()
