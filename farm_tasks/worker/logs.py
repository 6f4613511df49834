"""The worker's log: one line for one message, whatever a file is called, and whose it is.

By FARM_TASKS_LOG_FORMAT as text, in which a line of a running task has its id; or as JSON, one
object for each line, also for what Celery, other libraries and Python itself have to say.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
import threading
from collections.abc import Mapping
from typing import Any

from celery import __version__ as celery_version
from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    celeryd_after_setup,
    celeryd_init,
)
from celery.utils.log import get_multiprocessing_logger

from farm_tasks import __version__
from farm_tasks.plain_text import plain
from farm_tasks.settings import settings
from farm_tasks.worker.speaking import speaker

# It prints the server's answer over many lines; our errors carry what matters of it in one.
logging.getLogger("gazu").setLevel(logging.CRITICAL)

_ours = logging.getLogger(__name__)

_worker = ""


class OneLine(logging.Filter):
    """Escapes what could forge a line or steer the terminal of who reads the log.

    Celery writes a task's result and arguments into its messages, file names among them. Its own
    banners, which are meant to be several lines, come from elsewhere than a task.

    Args:
        names_task: Whether to put the id of the task in front of what is said for it.
    """

    def __init__(self, names_task: bool = False) -> None:
        super().__init__()
        self._names_task = names_task

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message; let every record pass."""
        try:
            record.getMessage()
        except Exception as error:  # somebody's mistake in logging ends no transfer
            record.msg, record.args = f"{record.msg!s:.500} cannot be told: {error!r}", None
        if record.name.startswith(("celery.app.trace", "celery.worker", "farm_tasks")):
            record.msg, record.args = plain(record.getMessage()), None
        whose = speaker() if self._names_task else None
        if whose is not None and whose.task_id not in (message := record.getMessage()):
            record.msg = f"farm_tasks.{whose.function}[{plain(whose.task_id)}] {message}"
            record.args = None
        return True


class OneObject(logging.Formatter):
    """A record as a JSON object on a line of its own.

    All but ASCII is escaped by JSON, so that no message can be taken for two.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "worker": _worker,
            **_task_of(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        elif record.stack_info:
            line["traceback"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


def _task_of(record: logging.LogRecord) -> dict[str, Any]:
    whose = speaker()
    if whose is not None:
        return whose.fields()
    # What Celery's main process has to say of one, as it hands it to logs.
    data = getattr(record, "data", None)
    if isinstance(data, Mapping) and "id" in data:
        task_id, name = data["id"], str(data.get("name", ""))
        return {"task_id": task_id, "function": name.rpartition(".")[2]}
    return {}


def of_task(task_id: str, name: str) -> dict[str, Any]:
    """What to log with, as ``extra``, where the main process speaks of a task."""
    return {"data": {"id": task_id, "name": name}}


def as_json(level: int, name: str, message: str) -> str:
    """A line of the log, for what is said before there is one."""
    return OneObject().format(logging.LogRecord(name, level, "", 0, message, None, None))


def _is_json() -> bool:
    return settings().log_format == "json"


@after_setup_logger.connect  # type: ignore[untyped-decorator]
def _set_up(logger: logging.Logger, **_: Any) -> None:
    for one in (logger, get_multiprocessing_logger()):
        _guard(one, OneLine(names_task=not _is_json()))


@after_setup_task_logger.connect  # type: ignore[untyped-decorator]
def _set_up_tasks(logger: logging.Logger, **_: Any) -> None:
    _guard(logger, OneLine())  # Celery's own format names the task there


def _guard(logger: logging.Logger, guard: OneLine) -> None:
    for handler in logger.handlers:
        handler.addFilter(guard)
        if _is_json():
            handler.setFormatter(OneObject())


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _before_all_else(sender: str, instance: Any, conf: Any, **_: Any) -> None:
    """Have what is said before Celery's logging is there, and beside it, be JSON as well."""
    global _worker  # noqa: PLW0603 (one process, one worker)
    _worker = sender
    if not _is_json():
        return
    instance.quiet = True  # of its banner; _introduce has what it says
    conf.worker_redirect_stdouts = True
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(OneObject())
    logging.getLogger().addHandler(handler)  # Celery takes it away when it has its own
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: Any, error: Any, traceback: Any) -> None:
    _ours.critical("Not caught: %s", plain(error), exc_info=(kind, error, traceback))


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _introduce(sender: str, instance: Any, **_: Any) -> None:
    if not _is_json():
        return
    pool = str(getattr(instance.pool_cls, "__module__", instance.pool_cls)).rpartition(".")[2]
    facts = {
        "pool": "threads" if pool == "thread" else pool,  # as --pool has it
        "slots": instance.concurrency,
        "queues": sorted(instance.app.amqp.queues.consume_from),
        "broker": instance.app.connection().as_uri(),  # without the password, as the next
        "result_backend": instance.app.backend.as_uri(),
    }
    _ours.info(
        "farm_tasks %s with Celery %s begins: %s, %d slot(s).",
        *(__version__, celery_version, facts["pool"], instance.concurrency),
        extra={"fields": facts},
    )
