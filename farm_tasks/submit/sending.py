"""A submission on its way: its record first, so that it is never unknown, then its message."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import EncodeError

from farm_tasks import path_map, queues
from farm_tasks.any_path import is_absolute
from farm_tasks.arguments import LARGEST_MESSAGE
from farm_tasks.color_config import config_path
from farm_tasks.entity import Entity, entity_id, id_or_name, is_entity
from farm_tasks.errors import InvalidArgument
from farm_tasks.functions import is_download
from farm_tasks.queues import Priority
from farm_tasks.states import (
    FARM_JOB_FIELD,
    INDEX_KEY,
    KEY_FIELD,
    PRIORITY_FIELD,
    QUEUED,
    result_key,
)
from farm_tasks.submit.claim import check_key, submit_once
from farm_tasks.submit.connection import reaching_redis, redis_client, sender
from farm_tasks.submit.farm_job import farm_job_of
from farm_tasks.submit.queueing import send_message, store_queued
from farm_tasks.submit.submission import Submission
from farm_tasks.transfer.progress import Progress

__all__ = ["Entity", "send"]

PATH_ARGUMENTS = frozenset(
    "csv_file_path file_path frames logo movie_path otio_file_path preview_file_path".split()
)
PATH_LISTS = frozenset(["attachments", "previews"])
COMMENT_PATHS = frozenset(["attachment_files", "preview_files"])
"""Of each of ``comments``."""
PATH_OR_NAME = "color_config"
"""A file's path, or the name of a configuration that OCIO brings with it."""
_NOT_SENT = frozenset(["logo", "movie_path"])
_NAMES = frozenset(["task", "task_status", "person", "playlist"])
"""Of ``publish``: entities that may be given by their names."""


def send(
    function: str,
    *,
    key: str | None = None,
    priority: Priority = queues.NORMAL,
    farm_job: str | None = None,
    **arguments: Any,
) -> Submission:
    """Submit a transfer by the name of its function.

    Args:
        function: gazu's name for it.
        key: What names this piece of work, such as ``deadline:<job id>:<content>``. The same key
            while its submission is queued or running, or after it has ended well, is that
            submission; after it failed or was cancelled, it runs again under its id with these
            arguments. Remembered as long as the submission's record.
        priority: ``high`` is taken before what waits already, ``low`` after all else.
        farm_job: The farm job that this belongs to, as people and logs know it. By default what the
            farm says in the environment of its jobs: see :mod:`farm_tasks.submit.farm_job`.
        **arguments: gazu's arguments. Dicts of entities are sent as their ids, relative paths as
            absolute ones, and all paths in the form that FARM_TASKS_PATH_MAP says, if it is set.

    Raises:
        InvalidArgument: an argument is not usable, or the key is another function's.
        NotConfigured: the path map cannot be used.
        BrokerUnavailable: Redis cannot be reached; nothing was submitted. With a key, submit again.
    """
    if key is not None:
        check_key(key)
    queues.priority_number(priority)  # as a check, before anything is stored
    job = farm_job_of(farm_job)
    message = portable(function, arguments)
    sources = _paths(message)
    sizes = [] if is_download(function) else [_size(one) for one in sources]
    queued = Progress(
        total=sum(filter(None, sizes)),
        stage="queued",
        file=sources[-1] if sources else "",
        updated=time.time(),
    )
    record: dict[str, Any] = {
        "status": QUEUED,
        "result": queued.to_dict(),
        "traceback": None,
        "children": [],
        "date_done": None,
        "task_id": str(uuid.uuid4()),
        "name": f"farm_tasks.{function}",
        "kwargs": message,
        "queue": queues.queue_of(function, message, _together(sizes)),
        PRIORITY_FIELD: priority,
    }
    if job:
        record[FARM_JOB_FIELD] = job
    if key is not None:
        record[KEY_FIELD] = key
    encoded = _encoded(record)
    with reaching_redis():
        if key is not None:
            return Submission(submit_once(record))
        store_queued(record, encoded)
        try:
            send_message(record)
        except BaseException:
            with redis_client().pipeline() as pipeline:
                pipeline.delete(result_key(record["task_id"]))
                pipeline.zrem(INDEX_KEY, record["task_id"])
                pipeline.execute()
            raise
    return Submission(record["task_id"])


def _encoded(record: dict[str, Any]) -> Any:
    try:
        encoded = sender().backend.encode(record)
    except EncodeError as error:
        raise InvalidArgument(f"The arguments do not fit into JSON: {error}.") from None
    if len(encoded) > LARGEST_MESSAGE:
        raise InvalidArgument(
            f"The arguments have {len(encoded):,} bytes; a submission takes {LARGEST_MESSAGE:,}."
        )
    return encoded


def portable(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as any machine understands them: entities as ids, paths absolute and mapped.

    Raises:
        As :func:`send` does of arguments.
    """
    return {name: _portable(function, name, value) for name, value in arguments.items()}


def check_absolute(arguments: Mapping[str, Any]) -> None:
    """See that no path in a message needs a folder before it: it may be another machine's.

    Raises:
        InvalidArgument: one does.
    """
    groups = [arguments, *_dicts(arguments.get("comments"))]
    for name, value in [pair for group in groups for pair in group.items()]:
        if value is not None and name in {*PATH_ARGUMENTS, *PATH_LISTS, *COMMENT_PATHS}:
            for path in value if isinstance(value, list) else [value]:
                if not isinstance(path, str) or not is_absolute(path):
                    raise InvalidArgument(f"{name}: a path is relative: give absolute ones.")


def _portable(function: str, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in PATH_ARGUMENTS:
        return _absolute(name, value)
    if name in PATH_LISTS:
        return _path_list(name, value)
    if name == "comments":
        if not isinstance(value, (list, tuple)):
            raise InvalidArgument(f"{name}: {value!r} is not a list of comments.")
        return [_portable_comment(one) for one in value]
    if name == PATH_OR_NAME and isinstance(value, str | os.PathLike):
        path = config_path(os.fsdecode(value), os.getcwd())
        return os.fsdecode(value) if path is None else _absolute(name, path)
    return _portable_entity(function, name, value)


def _portable_entity(function: str, name: str, value: Any) -> Any:
    if is_entity(function, name):
        return entity_id(name, value)
    if function == "publish" and name in _NAMES:
        return id_or_name(name, value)
    return value


def _portable_comment(comment: Any) -> dict[str, Any]:
    if not isinstance(comment, Mapping):
        raise InvalidArgument(f"comments: {comment!r} is not a dict.")
    return {
        name: _path_list(name, value) if name in COMMENT_PATHS else value
        for name, value in comment.items()
    }


def _dicts(comments: Any) -> list[Mapping[str, Any]]:
    given = comments if isinstance(comments, list) else []
    return [one for one in given if isinstance(one, Mapping)]


def _path_list(name: str, value: Any) -> list[str]:
    paths = [value] if isinstance(value, (str, os.PathLike)) else value or []
    if not isinstance(paths, (list, tuple)):
        raise InvalidArgument(f"{name}: {value!r} is not a list of paths.")
    return [_absolute(name, one) for one in paths]


def _absolute(name: str, path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InvalidArgument(f"{name}: {path!r} is not a path.")
    given, mapping = os.fsdecode(path), path_map.current()
    # Another system's path is absolute there, and this one's folder has no place before it.
    absolute = given if is_absolute(given) else os.path.join(os.getcwd(), given)
    return absolute if mapping is None else mapping.to_canonical(absolute).path


def _paths(message: dict[str, Any]) -> list[str]:
    """The files that a message is about; the one that names it comes last."""
    paths = [*(message.get("attachments") or []), *(message.get("previews") or [])]
    for comment in message.get("comments") or []:
        paths += comment.get("attachment_files", []) + comment.get("preview_files", [])
    paths += [message[name] for name in sorted(PATH_ARGUMENTS - _NOT_SENT) if message.get(name)]
    return paths


def _size(path: str) -> int | None:
    """Bytes, as far as this machine can tell; the worker knows for sure."""
    mapping = path_map.current()
    try:
        return os.path.getsize(path if mapping is None else mapping.to_local(path).path)
    except (OSError, ValueError):
        return None


def _together(sizes: list[int | None]) -> int | None:
    """Bytes of all files; None where there are none, or not all are to be seen."""
    known = [one for one in sizes if one is not None]
    return sum(known) if known and len(known) == len(sizes) else None
