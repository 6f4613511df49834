"""Celery's configuration, for workers and submitters alike.

Addresses come from the environment (see :mod:`farm_tasks.settings`); everything else stands here,
with its reason. Names are Celery's own.
"""

import socket

from kombu import Exchange as _Exchange
from kombu import Queue as _Queue

from farm_tasks import queues as _queues
from farm_tasks.settings import settings as _settings

_env = _settings()

# For rediss://, the certificate is always checked; kombu alone would not look at it.
broker_url, _tls = _env.broker()
if _tls:
    broker_use_ssl = _tls
result_backend, _tls = _env.redis(_env.result_backend)
if _tls:
    redis_backend_use_ssl = _tls

# Names of our own, so that a broker shared with other Celery apps mixes nothing up. A worker takes
# all of them in turn, unless it is told which.
task_default_queue = _queues.DEFAULT
task_queues = [
    _Queue(
        _name,
        _Exchange(_queues.DEFAULT),
        _name,
        # RabbitMQ sorts by priority only if told so. Not in the default queue: that is declared by
        # plain Celery as well, and RabbitMQ refuses to have it declared in two ways.
        queue_arguments=None
        if _name == _queues.DEFAULT
        else {"x-max-priority": _queues.MOST_PRIORITY},
        # Milliseconds. RabbitMQ takes a message away from who has not acknowledged it after half an
        # hour, and closes the channel. Versions before 3.12 want consumer_timeout in rabbitmq.conf.
        consumer_arguments={"x-consumer-timeout": 7 * 86400 * 1000},
    )
    for _name in _queues.ALL
]
task_routes = _queues.route
task_default_priority = _queues.priority_number(_queues.NORMAL)

# RabbitMQ takes a host that says nothing for two of these for dead. (Redis knows no such thing.)
broker_heartbeat = 30

# JSON only: whoever can write to Redis must not be able to run code here.
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

# What status, watch and Flower show.
task_track_started = True
task_send_sent_event = True
worker_send_task_events = True
result_extended = True
result_expires = _env.record_seconds

# One message per slot: a long upload hides nothing behind it.
worker_prefetch_multiplier = 1
worker_disable_prefetch = not _env.broker_is_rabbitmq  # which keeps to the line above by itself
worker_consumer = "farm_tasks.worker.consumer:TransferConsumer"

# A message is done when its work is done: a dead worker's transfer runs again.
task_acks_late = True
task_reject_on_worker_lost = True

# KiB. Garbage of failed tasks that billiard leaves behind grows slowly; a process over this is
# replaced after its transfer. One needs about 100 MiB, whatever it moves.
worker_max_memory_per_child = 400 * 1024

# Redis may blink: never give up reconnecting, and store the final state once it is back.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
result_backend_always_retry = True
result_backend_max_sleep_between_retries_ms = 1000
redis_socket_timeout = 5.0
redis_socket_connect_timeout = 5.0
redis_socket_keepalive = True

_redis_options = {
    # Which messages are whose. Names of our own: nobody renews the messages of another Celery app
    # in the same Redis, and farm_tasks.worker.visibility would take them away from its workers.
    "unacked_key": "farm_tasks.unacked",
    "unacked_index_key": "farm_tasks.unacked_index",
    "unacked_mutex_key": "farm_tasks.unacked_mutex",
    # Held by the worker that gives back a dead one's messages, 100 at a time; should it die at
    # that, the others need not wait for kombu's five minutes.
    "unacked_mutex_expire": 30,
    # farm_tasks.worker.visibility gives a dead worker's messages back after a minute. This is only
    # the net below it: kombu counts by each host's own clock, and sweeps right after an outage of
    # Redis, before the living had a chance to renew.
    "visibility_timeout": 3600,
    # A host that vanished is noticed in 45 s. The kernel's own defaults take more than two hours,
    # in which an idle worker hears of no message. (Names as far as this platform has them.)
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, _name): _value
        for _name, _value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 5))
        if hasattr(socket, _name)
    },
    "priority_steps": list(range(10)),
    # Queues take turns: a batch of downloads must not keep every upload waiting.
    "queue_order_strategy": "round_robin",
}
_rabbitmq_options = {
    # RabbitMQ says that it has the message; without, one that is lost on the way is not missed.
    "confirm_publish": True,
}
broker_transport_options = _rabbitmq_options if _env.broker_is_rabbitmq else _redis_options

# How a worker ends is farm_tasks.worker.shutdown's. FARM_TASKS_GRACE_SECONDS and 40 s more have to
# pass before systemd (TimeoutStopSec) or Docker (stop_grace_period) may kill it: ten for what goes
# to another worker then, and the half-minute for which a slot may wait until its result is read.
worker_hijack_root_logger = True
worker_redirect_stdouts = False
worker_cancel_long_running_tasks_on_connection_loss = False
