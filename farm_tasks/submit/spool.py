"""The spool: a folder that keeps requests while the broker cannot be reached.

A farm job must not wait for Redis, nor be lost with it. :func:`write` leaves the request as a file
in a shared folder, and :func:`flush` submits it later, from whichever machine. A file is in one of
these states, told by its name:

* ``.<name>.json.part``: half written. Whoever wrote it was not told that it is done.
* ``<name>.json``: waits.
* ``<name>.sending``: somebody submits it, or did and was killed before the file was removed.
* ``failed/<name>.json``, with the reason in ``failed/<name>.json.reason``: can never be submitted.

Any number of machines may write and flush at once. That a request is submitted once is its key's
doing (:mod:`farm_tasks.submit.claim`) and no lock's: locks cannot be relied on in shared folders.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from farm_tasks import queues
from farm_tasks.errors import (
    DiskFull,
    FarmTasksError,
    FileUnreadable,
    InvalidArgument,
    NotConfigured,
    TemporaryFailure,
)
from farm_tasks.folder import Folder
from farm_tasks.queues import Priority
from farm_tasks.submit.spool_request import READING, Request, read_request

FAILED = "failed"

READABLE = 0o640
"""By the writer's group, too: who flushes need not be who writes."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STEM = re.compile(rf"(\d{{8}}T\d{{6}}(?:\.\d{{1,9}})?Z-{_UUID})\.(json|sending)", re.ASCII)
_PART = re.compile(rf"\.{_STEM.pattern}\.part", re.ASCII)
_ABANDONED = 86400.0
"""Seconds after which nobody is writing to a half written file any more."""

_WRITING = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What a file of the spool holds, or what became of it.

    Attributes:
        file: Its name, as it waits.
        request: What it asks for; None if that cannot be read.
        submission_id: The submission that it has become; None if it has not.
        reason: Why it can never be submitted, or cannot be read by this user or this version.
        failed: Whether it is in ``failed``.
    """

    file: str
    request: Request | None = None
    submission_id: str | None = None
    reason: str | None = None
    failed: bool = False


def write(
    folder: str | os.PathLike[str],
    function: str,
    arguments: Mapping[str, Any],
    key: str | None = None,
    priority: Priority = queues.NORMAL,
    farm_job: str | None = None,
) -> Path:
    """Keep a request until it can be submitted. When this returns, the file is on the disk.

    Args:
        folder: The spool. It has to be there: one that is made where a share is not mounted would
            be found by nobody.
        function: The name of a function of :mod:`farm_tasks.submit` that submits.
        arguments: Its arguments. Paths are made absolute and mapped, here and now.
        key: As for the function. Without one the request gets its own, so that it is submitted
            once; whoever has tried to submit already should give the key that was tried.
        priority: As for the function.
        farm_job: As for the function; by default this process's.

    Raises:
        InvalidArgument: it could never be submitted.
        NotConfigured: the folder is not there.
        FileUnreadable: it may not be written to.
        DiskFull: there is no room.
        TemporaryFailure: its file system fails.
    """
    data = Request.new(function, arguments, key, priority, farm_job).encode()
    now = time.time()
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
    name = f"{moment}-{uuid.uuid4()}.json"
    part = f".{name}.part"
    with _errors_of(folder), Folder.open(folder) as spool:
        try:
            _store(spool, part, data)
            spool.replace(part, name)
        except BaseException:
            with contextlib.suppress(OSError):
                spool.unlink(part)
            raise
        spool.sync()
    return Path(folder) / name


def flush(folder: str | os.PathLike[str]) -> Iterator[Entry]:
    """Submit what waits, oldest first. What is broken is put aside and stops nothing.

    It may be killed at any moment: what was not submitted is still there, and what was submitted
    and is still there becomes the same submission once more.

    Yields:
        For each request its submission, or the reason why there is none.

    Raises:
        BrokerUnavailable: Redis went away; this request and all that follow still wait.
        FarmTasksError: as :func:`write` does of the folder; and what is wrong with this process's
            own settings, such as a password that Redis refuses. All still wait.
    """
    with _errors_of(folder), Folder.open(folder) as spool:
        names = spool.names()
        _clear_up(spool, names)
        for name in _in_order(names):
            entry = _flush_one(spool, name)
            if entry is not None:
                yield entry


def waiting(folder: str | os.PathLike[str]) -> list[Entry]:
    """What waits, oldest first, and then what has failed. Nothing is changed.

    Raises:
        FarmTasksError: as :func:`write` does of the folder.
    """
    entries = []
    with _errors_of(folder), Folder.open(folder) as spool:
        for name in _in_order(spool.names()):
            try:
                entries.append(Entry(_as_it_waits(name), read_request(spool, name)))
            except FileNotFoundError:  # submitted meanwhile
                continue
            except (InvalidArgument, FileUnreadable) as error:
                entries.append(Entry(_as_it_waits(name), reason=str(error)))
        with contextlib.suppress(FileNotFoundError), spool.descend(FAILED) as failed:
            entries += [_failed(failed, name) for name in _in_order(failed.names())]
    return entries


def _flush_one(spool: Folder, name: str) -> Entry | None:
    """Submit one; None if another flusher has done it."""
    file = _as_it_waits(name)
    sending = file.removesuffix(".json") + ".sending"
    try:
        request = read_request(spool, name)
        # Whoever cannot rename could not remove it either, and would submit it again for ever.
        spool.replace(name, sending)
    except FileNotFoundError:
        return None
    except FileUnreadable as error:
        return Entry(file, reason=str(error))
    except NotConfigured:
        raise  # it is this process that is not, and no request is to blame
    except InvalidArgument as error:
        return _put_aside(spool, name, str(error))
    try:
        submission = request.submit()
    except NotConfigured:
        raise
    except InvalidArgument as error:
        return _put_aside(spool, sending, str(error), request)
    except (FarmTasksError, OSError):
        raise
    except Exception as error:  # a mistake of ours must not hold up what comes after it
        return _put_aside(spool, sending, f"It cannot be submitted ({error!r:.200}).", request)
    with contextlib.suppress(FileNotFoundError):
        spool.unlink(sending)
    return Entry(file, request, submission.id)


def _put_aside(
    spool: Folder, name: str, reason: str, request: Request | None = None
) -> Entry | None:
    """Move what can never be submitted to ``failed``, its reason first."""
    file = _as_it_waits(name)
    with contextlib.suppress(FileExistsError):
        spool.make(FAILED)
    with spool.descend(FAILED) as failed:
        with contextlib.suppress(OSError):  # no room, or another flusher writes it at this moment
            _store(failed, f"{file}.reason", f"{reason}\n".encode(errors="backslashreplace"))
        try:
            spool.move(name, failed, file)
        except FileNotFoundError:
            return None
    return Entry(file, request, reason=reason, failed=True)


def _failed(failed: Folder, name: str) -> Entry:
    """What is in ``failed`` under this name."""
    request, reason = None, None
    with contextlib.suppress(InvalidArgument, FileUnreadable, OSError):
        request = read_request(failed, name)
    with contextlib.suppress(FarmTasksError, OSError):
        descriptor = failed.open_file(f"{name}.reason", READING)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            reason = file.read(1000).strip()
    return Entry(name, request, reason=reason, failed=True)


def _store(folder: Folder, name: str, data: bytes) -> None:
    """Write a file that is on the disk afterwards."""
    with contextlib.suppress(FileNotFoundError):
        folder.unlink(name)  # a reason that a killed flusher has left
    descriptor = folder.open_file(name, _WRITING | os.O_EXCL, READABLE)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, READABLE)  # whatever the umask
        os.fsync(descriptor)


def _in_order(names: list[str]) -> list[str]:
    """The names of requests, oldest first. Other files are nobody's business here."""
    return sorted(one for one in names if _STEM.fullmatch(one))


def _as_it_waits(name: str) -> str:
    return name.removesuffix(".sending") + ".json" if name.endswith(".sending") else name


def _clear_up(spool: Folder, names: list[str]) -> None:
    """Remove what writers that died have left."""
    oldest = time.time() - _ABANDONED
    for name in filter(_PART.fullmatch, names):
        with contextlib.suppress(OSError):
            if spool.status(name).st_mtime < oldest:
                spool.unlink(name)


@contextlib.contextmanager
def _errors_of(folder: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"The spool {os.fspath(folder)} cannot be used ({error.strerror or error})."
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotConfigured(
                f"{why} Mount or make the folder that FARM_TASKS_SPOOL names."
            ) from error
        if error.errno in _NO_ROOM:
            raise DiskFull(why) from error
        if error.errno in _DENIED:
            raise FileUnreadable(
                f"{why} Writing, and removing what is sent, needs the right to write there."
            ) from error
        raise TemporaryFailure(why) from error
