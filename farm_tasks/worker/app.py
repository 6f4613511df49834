"""The Celery app of the workers: ``celery -A farm_tasks worker``."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

import worker_config
from farm_tasks.worker import logs as _logs  # noqa: F401 (connects itself to Celery's signals)
from farm_tasks.worker import media_queue as _media_queue  # noqa: F401 (as that does)
from farm_tasks.worker import transport
from farm_tasks.worker.heartbeat import Heartbeat
from farm_tasks.worker.limits import RateLimit
from farm_tasks.worker.lost_messages import LostMessages
from farm_tasks.worker.shutdown import Shutdown
from farm_tasks.worker.visibility import Visibility

# A Flower that is started for this app takes our configuration, unless it is told of another.
os.environ.setdefault("FLOWER_CONF", str(Path(worker_config.__file__).with_name("flowerconfig.py")))

transport.install()
app = Celery(
    "farm_tasks",
    include=["farm_tasks.worker.tasks"],
    events="farm_tasks.worker.events:TransferEvents",
)
app.config_from_object("worker_config.celeryconfig")
app.loader.override_backends = {
    "redis": "farm_tasks.worker.backend:TransferBackend",
    "rediss": "farm_tasks.worker.backend:TransferBackend",
}
app.steps["worker"].add(Shutdown)
app.steps["consumer"].add(RateLimit)
app.steps["consumer"].add(Visibility)
app.steps["consumer"].add(LostMessages)
app.steps["consumer"].add(Heartbeat)
