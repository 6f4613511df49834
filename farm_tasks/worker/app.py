"""The Celery app of the workers: ``celery -A farm_tasks worker``."""

from __future__ import annotations

import logging

from celery import Celery

# It prints the server's answer over many lines; our errors carry what matters of it in one.
logging.getLogger("gazu").setLevel(logging.CRITICAL)

app = Celery("farm_tasks", include=["farm_tasks.worker.tasks"])
app.config_from_object("worker_config.celeryconfig")
app.loader.override_backends = {
    "redis": "farm_tasks.worker.backend:TransferBackend",
    "rediss": "farm_tasks.worker.backend:TransferBackend",
}
