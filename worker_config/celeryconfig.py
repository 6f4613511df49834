"""Celery's configuration, for workers and submitters alike.

Addresses come from the environment (see :mod:`farm_tasks.settings`); everything else stands here,
with its reason. Names are Celery's own.
"""

from farm_tasks.settings import settings as _settings

_env = _settings()

# For rediss://, the certificate is always checked; kombu alone would not look at it.
broker_url, _tls = _env.redis(_env.broker_url)
if _tls:
    broker_use_ssl = _tls
result_backend, _tls = _env.redis(_env.result_backend)
if _tls:
    redis_backend_use_ssl = _tls

# A name of our own, so that a Redis shared with other Celery apps mixes nothing up.
task_default_queue = "farm_tasks"

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
result_expires = int(_env.result_days * 86400)

# One message per slot: a long upload hides nothing behind it.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# A message is done when its work is done: a dead worker's transfer runs again.
task_acks_late = True
task_reject_on_worker_lost = True

# Redis may blink: never give up reconnecting, and store the final state once it is back.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
result_backend_always_retry = True
result_backend_max_sleep_between_retries_ms = 1000
redis_socket_timeout = 5.0
redis_socket_connect_timeout = 5.0
redis_socket_keepalive = True

broker_transport_options = {
    # Counted from receipt and renewed by nothing: longer than the longest transfer.
    "visibility_timeout": 12 * 3600,
    "socket_keepalive": True,
    "priority_steps": list(range(10)),
    "queue_order_strategy": "priority",
}

# SIGTERM: stop taking messages, let transfers end; systemd and Docker set the limit.
worker_hijack_root_logger = True
worker_redirect_stdouts = False
worker_cancel_long_running_tasks_on_connection_loss = False
