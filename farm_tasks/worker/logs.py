"""The worker's log: one line for one message, whatever a file is called."""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import after_setup_logger, after_setup_task_logger

from farm_tasks.plain_text import plain

# It prints the server's answer over many lines; our errors carry what matters of it in one.
logging.getLogger("gazu").setLevel(logging.CRITICAL)


class OneLine(logging.Filter):
    """Escapes what could forge a line or steer the terminal of who reads the log.

    Celery writes a task's result and arguments into its messages, file names among them. Its own
    banners, which are meant to be several lines, come from elsewhere than a task.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message; let every record pass."""
        if record.name.startswith(("celery.app.trace", "celery.worker", "farm_tasks")):
            record.msg, record.args = plain(record.getMessage()), None
        return True


def _guard(logger: logging.Logger, **_: Any) -> None:
    for handler in logger.handlers:
        handler.addFilter(OneLine())


for _signal in (after_setup_logger, after_setup_task_logger):
    _signal.connect(_guard)
