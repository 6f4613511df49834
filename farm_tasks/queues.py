"""Which queue a submission waits in, and which one is taken first.

A movie takes minutes, a thumbnail a second. In one queue the thumbnail waits behind the movies; in
queues of their own each has its workers, and a small one that no movie keeps from its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from farm_tasks import functions
from farm_tasks.errors import InvalidArgument
from farm_tasks.near import did_you_mean
from farm_tasks.settings import settings

DEFAULT = "farm_tasks"
"""For who sends a task by its name, with Celery alone. Declared as plain Celery declares it."""

UPLOADS = "farm_tasks.uploads"
DOWNLOADS = "farm_tasks.downloads"

SMALL = "farm_tasks.small"
"""What takes seconds: pictures, tables, attachments, comments, small files."""

MEDIA = "farm_tasks.media"
"""Frames that are made into a movie first: work for a CPU, on workers that have what it takes."""

ALL = (DEFAULT, UPLOADS, DOWNLOADS, SMALL, MEDIA)

_SHORT = {
    "default": DEFAULT,
    "uploads": UPLOADS,
    "downloads": DOWNLOADS,
    "small": SMALL,
    "media": MEDIA,
}

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
NORMAL: Priority = "normal"

MOST_PRIORITY = 9
"""The largest number that a message's priority has: the last on Redis, the first on RabbitMQ."""

# On Redis a message that says nothing of its priority has 0, and kombu would take it first. Here it
# is a normal one: a worker reads in the order below.
_REDIS: dict[str, int] = {"high": 1, "normal": 0, "low": 9}
READING_ORDER = (1, 2, 3, 4, 0, 5, 6, 7, 8, 9)
"""Redis's numbers, the first to be taken first."""

_RABBITMQ: dict[str, int] = {"high": 9, "normal": 5, "low": 1}

_MAY_HAVE_NO_FILES = frozenset(["add_comment", "batch_comments", "publish"])


def queue_of(function: str, arguments: Mapping[str, Any], size: int | None = None) -> str:
    """The queue for a submission.

    Args:
        function: gazu's name for it.
        arguments: Its keyword arguments.
        size: Bytes of its files together; None if not all of them can be seen from here.
    """
    if function in functions.SMALL:
        return SMALL
    if function in functions.DOWNLOADS:
        return DOWNLOADS
    if function in functions.UPLOADS:
        return _queue_of_upload(function, arguments, size)
    return DEFAULT


def _queue_of_upload(function: str, arguments: Mapping[str, Any], size: int | None) -> str:
    if arguments.get("frames"):
        return MEDIA
    if function in _MAY_HAVE_NO_FILES and not _has_files(arguments):
        return SMALL
    # It keeps its slot until Kitsu has made the movie, which may take longer than the upload.
    if arguments.get("wait_until_ready"):
        return UPLOADS
    return SMALL if size is not None and size <= settings().small_bytes else UPLOADS


def route(
    name: str,
    args: Any,
    kwargs: Any,
    options: Mapping[str, Any],
    task: Any = None,
    **_: Any,
) -> dict[str, Any] | None:
    """Celery's router, for what is sent by a task's name and without a queue."""
    prefix, _dot, function = name.rpartition(".")
    if prefix != DEFAULT or options.get("queue") or options.get("exchange"):
        return None
    # Arguments by position may hold files as well.
    known = kwargs if isinstance(kwargs, Mapping) and not args else {"attachments": [""]}
    return {"queue": queue_of(function, known), "priority": priority_number(NORMAL)}


def named(text: str) -> list[str]:
    """The queues in a list such as ``uploads,small``, by their short names or their own.

    Raises:
        InvalidArgument: one is not a queue.
    """
    names = [one.strip() for one in text.split(",") if one.strip()]
    if not names:
        raise InvalidArgument(f"No queue is named. There are {', '.join(_SHORT)}.")
    return list(dict.fromkeys(map(_named, names)))


def short_name(queue: str) -> str:
    """The short name of one of the queues."""
    return next(short for short, name in _SHORT.items() if name == queue)


def priority_number(priority: str) -> int:
    """What a message says for a priority, for the broker in use.

    Raises:
        InvalidArgument: there is no such priority.
    """
    numbers = _RABBITMQ if settings().broker_is_rabbitmq else _REDIS
    if not isinstance(priority, str) or priority not in numbers:
        raise InvalidArgument(f"priority: {priority!r:.80} is none of {', '.join(PRIORITIES)}.")
    return numbers[priority]


def priority_name(number: int | None) -> Priority:
    """The priority that a message's number stands for, with the broker in use; 0 says nothing."""
    if not number:
        return NORMAL
    if settings().broker_is_rabbitmq:
        behind = _RABBITMQ[NORMAL] - number
    else:
        behind = READING_ORDER.index(min(max(number, 0), MOST_PRIORITY)) - READING_ORDER.index(0)
    return "high" if behind < 0 else "low" if behind > 0 else NORMAL


def _has_files(arguments: Mapping[str, Any]) -> bool:
    comments = arguments.get("comments")
    return any(map(arguments.get, ("attachments", "previews"))) or any(
        one.get("attachment_files") or one.get("preview_files")
        for one in (comments if isinstance(comments, list) else [])
        if isinstance(one, Mapping)
    )


def _named(name: str) -> str:
    if name in ALL:
        return name
    if name in _SHORT:
        return _SHORT[name]
    hint = did_you_mean(name, [*_SHORT, *ALL], _SHORT)
    raise InvalidArgument(f"{name!r:.80} is not a queue. {hint}")
