"""How an operation calls gazu: our session for the bytes, our errors for its exceptions."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import requests
from gazu.client import KitsuClient
from gazu.exception import (
    AuthFailedException,
    DownloadFileException,
    GazuException,
    NotAuthenticatedException,
    PreviewFileProcessingException,
    UploadFailedException,
)

from farm_tasks.confinement import current, lent, path_behind
from farm_tasks.errors import (
    BadResponse,
    ContentChanged,
    FarmTasksError,
    FileMissing,
    FileUnreadable,
    NotAuthenticated,
    Rejected,
    StillProcessing,
)
from farm_tasks.kitsu.client import ensure_token, for_transfer, kitsu_client
from farm_tasks.kitsu.login import session_of
from farm_tasks.transfer.download import Download
from farm_tasks.transfer.failures import Refusal, from_network, from_status
from farm_tasks.transfer.partial_file import PartialFile
from farm_tasks.transfer.progress import ProgressCallback, announce

_JWT_COMPLAINT = re.compile(r"segments|header string|payload|padding|signature|token", re.I)

_NO_SUCH_ROUTE = "The requested URL was not found"
"""How zou says that an id in the address names nothing."""

_NO_SUCH_ENTITY = "There is nothing under an id in this address, or it has no such file."

STARTS_OVER = 3
"""How often a download begins again because the file in Kitsu changed meanwhile."""


_listener: ContextVar[ProgressCallback | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def listening(progress: ProgressCallback) -> Iterator[None]:
    """Have every call inside end when ``progress`` is told to stop, not the transfers alone."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.contextmanager
def calling(
    client: KitsuClient | None, progress: ProgressCallback | None = None
) -> Iterator[KitsuClient]:
    """Lend a client for one operation and turn what gazu raises into errors of ours.

    Args:
        client: A logged-in gazu client, or None for the one of this process.
        progress: Called while the bytes of an upload arrive.

    Raises:
        FarmTasksError: whatever went wrong.
    """
    kitsu = for_transfer(client or kitsu_client(), progress or _listener.get())
    try:
        yield kitsu
    except GazuException as error:
        raise _translate(error, session_of(kitsu).refusal) from error
    except requests.JSONDecodeError as error:
        raise BadResponse(
            "The answer is not JSON: is KITSU_HOST the address of a Kitsu API?"
        ) from error
    except requests.RequestException as error:
        raise from_network(error, kitsu.host) from error
    except FileNotFoundError as error:
        raise FileMissing(f"{_file_of(error)} does not exist on this machine.") from error
    except OSError as error:
        raise FileUnreadable(f"{_file_of(error)}: {error.strerror or error}") from error


def upload(
    function: Callable[..., Any],
    *arguments: Any,
    client: KitsuClient | None,
    progress_callback: ProgressCallback | None,
    **options: Any,
) -> Any:
    """Run one of gazu's uploads and return what it returns.

    gazu is not given the callback: it would call it while reading ahead. Our body calls it with
    what has arrived. Under a :class:`~farm_tasks.confinement.Confinement` gazu is not given the
    paths of the files either, but names of the files themselves.

    Raises:
        FarmTasksError: whatever went wrong.
    """
    # Around the call, so that an error can still be told with the path behind the name.
    with (
        lent((arguments, options)) as (positional, named),
        calling(client, progress_callback) as kitsu,
    ):
        ensure_token(kitsu)
        announce(progress_callback, "uploading")
        return function(*positional, client=kitsu, **named)


def download(
    function: Callable[..., requests.Response],
    *arguments: Any,
    client: KitsuClient | None,
    progress_callback: ProgressCallback | None,
    path_argument: str = "file_path",
    **options: Any,
) -> dict[str, Any]:
    """Run one of gazu's downloads into a file that appears whole or not at all.

    Args:
        function: The function of gazu.
        *arguments: Its leading arguments.
        client: A logged-in gazu client, or None for the one of this process.
        progress_callback: Called for every piece, and once with ``(0, 0)`` for an empty file.
        path_argument: What ``function`` calls the path of the file.
        **options: Its other arguments, the path among them.

    Returns:
        ``{"file_path": str, "size": int (bytes), "content_type": str}``.

    Raises:
        FarmTasksError: whatever went wrong; the old file, if there was one, is untouched.
    """
    target = os.path.abspath(options.pop(path_argument))
    confined = current()
    tag, sweep = (confined.tag, confined.sweep) if confined else (None, False)
    with (
        calling(client, progress_callback) as kitsu,
        PartialFile(target, tag, sweep) as partial,
    ):
        announce(progress_callback, "downloading")
        for starts in range(STARTS_OVER):
            counter = _Counter(partial, progress_callback)
            options[path_argument] = str(partial.path)
            try:
                response = function(*arguments, client=kitsu, progress_callback=counter, **options)
                break
            except ContentChanged:
                if starts == STARTS_OVER - 1:
                    raise
        length = response.length if isinstance(response, Download) else None
        size = partial.commit(length)
        if not size and progress_callback is not None:
            progress_callback(0, 0)
        return {
            "file_path": target,
            "size": size,
            "content_type": response.headers.get("Content-Type", ""),
        }


class _Counter:
    """Passes gazu's callback on, once the disk is known to have room for the rest."""

    def __init__(self, partial: PartialFile, progress: ProgressCallback | None) -> None:
        self._partial = partial
        self._progress = progress
        self._checked = False

    def __call__(self, bytes_read: int, total: int) -> None:
        if not self._checked:
            self._partial.check_room(total - bytes_read)
            self._checked = True
        if self._progress is not None:
            self._progress(bytes_read, total)


def _file_of(error: OSError) -> str:
    return path_behind(str(error.filename or "A file"))


def _translate(error: GazuException, refusal: Refusal | None) -> FarmTasksError:
    if isinstance(error, PreviewFileProcessingException):
        return StillProcessing("Kitsu is still building this file. It can be downloaded later.")
    if refusal is not None:
        # flask-jwt-extended says 422 to what is not a token at all ("Not enough segments", ...).
        if refusal.status == 422 and _JWT_COMPLAINT.search(refusal.message):
            refusal = dataclasses.replace(refusal, status=401)
        if refusal.status == 404 and _NO_SUCH_ROUTE in refusal.message:
            refusal = dataclasses.replace(refusal, message=_NO_SUCH_ENTITY)
        return from_status(refusal)
    if isinstance(error, (NotAuthenticatedException, AuthFailedException)):
        return NotAuthenticated(f"Kitsu does not accept the credentials ({error}).")
    if isinstance(error, (UploadFailedException, DownloadFileException)):
        return Rejected(f"Kitsu refused the file: {error}")
    return Rejected(f"{type(error).__name__}: {error}")
