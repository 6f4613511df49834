"""The queue for frames, left to workers that can make movies of them."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

from celery.signals import worker_init

from farm_tasks.queues import MEDIA

_NEEDED = ("av", "fileseq", "numpy", "OpenImageIO", "PIL", "PyOpenColorIO")

logger = logging.getLogger(__name__)


def can_make_movies() -> bool:
    """Whether the media extra is installed here. Imports nothing of it."""
    return all(importlib.util.find_spec(one) is not None for one in _NEEDED)


@worker_init.connect  # type: ignore[untyped-decorator]
def leave_to_others(sender: Any, **_: Any) -> None:
    """Take nothing from the queue where the extra is missing: another worker may have it.

    One that was told to take nothing else keeps it. What it takes then fails with an error that
    names the extra, which is better than a worker that waits for nothing.
    """
    queues = sender.app.amqp.queues
    if can_make_movies() or MEDIA not in queues.consume_from or len(queues.consume_from) == 1:
        return
    queues.deselect(MEDIA)
    logger.info("No movies are made of frames here: pip install 'farm-tasks[media]' for that.")
