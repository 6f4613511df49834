"""The answer to a download: read in what arrives, resumed where the connection broke."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions

from farm_tasks.errors import ContentChanged, FarmTasksError, Stalled, TemporaryFailure
from farm_tasks.transfer.failures import from_network

if TYPE_CHECKING:
    from farm_tasks.transfer.session import Limits, TransferSession

READ_BYTES = 1024 * 1024
"""The most that one read asks for. ``read1`` returns what has arrived, so a trickle is seen."""


class Download(requests.Response):
    """A streamed answer whose body survives lost connections.

    It stands in for the :class:`requests.Response` that it is made from: same status, headers and
    ``raw``. Only reading differs. Where the server gave a strong ETag, a body cut short is asked
    for again from there on, with ``Range`` and ``If-Range`` (RFC 9110 14.2, 13.1.5); any other
    answer than that very range ends the download.

    Args:
        response: An open answer of 200.
        session: The session that it came from.
    """

    def __init__(self, response: requests.Response, session: TransferSession) -> None:
        super().__init__()
        self.__dict__.update(response.__dict__)
        self._session = session
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        self._decode = encoding not in {"", "identity"}
        if self._decode:
            # The length is that of the encoded bytes: nothing that the caller could count.
            self.headers.pop("Content-Length", None)
        length = self.headers.get("Content-Length", "")
        self.length = int(length) if length.isdecimal() else None
        etag = self.headers.get("ETag", "")
        self._etag = etag if etag.startswith('"') and self.status_code == 200 else None

    @property
    def is_resumable(self) -> bool:
        """Whether the rest can be asked for after a cut."""
        return self._etag is not None and self.length is not None and not self._decode

    def iter_content(
        self, chunk_size: int | None = 1, decode_unicode: bool = False
    ) -> Iterator[bytes]:
        """Yield the body as it arrives, whatever ``chunk_size`` says, up to 1 MiB at a time.

        Raises:
            ConnectionLost: the connection broke and the rest could not be had.
            Stalled: it stood still, or kept below the least rate.
            ContentChanged: the file is another one now; the download must begin again.
        """
        offset = 0
        failures = 0
        while True:
            started_at = offset
            try:
                for piece in self._read(self.raw, self._session.limits):
                    offset += len(piece)
                    yield piece
            except (TemporaryFailure, urllib3.exceptions.HTTPError, OSError) as error:
                self.raw.close()
                lost = error if isinstance(error, FarmTasksError) else from_network(error, self.url)
                failures = 0 if offset > started_at else failures + 1
                if not self.is_resumable or isinstance(lost, ContentChanged):
                    raise lost from error
                if failures >= self._session.limits.resumes:
                    raise lost from error
                self._pause(failures)
                self.raw = self._reopen(offset, lost)
            else:
                self._content_consumed = True
                return

    def _read(self, raw: Any, limits: Limits) -> Iterator[bytes]:
        window_from = time.monotonic()
        in_window = 0
        while True:
            if self._decode:
                piece = raw.read(64 * 1024, decode_content=True)
            else:
                piece = raw.read1(READ_BYTES, decode_content=False)
            if not piece:
                return
            yield piece
            in_window += len(piece)
            elapsed = time.monotonic() - window_from
            if elapsed >= limits.rate_window:
                if in_window < limits.least_rate * elapsed:
                    raise Stalled(
                        f"Only {in_window / elapsed:.0f} bytes/s arrived for {elapsed:.0f} s."
                    )
                window_from, in_window = time.monotonic(), 0

    def _reopen(self, offset: int, lost: FarmTasksError) -> Any:
        """Ask for the rest; what cannot be connected to is one more lost connection."""
        request = self.request.copy()
        request.headers["Range"] = f"bytes={offset}-"
        request.headers["If-Range"] = self._etag or ""
        limits = self._session.limits
        settings = self._session.merge_environment_settings(
            self.url, {}, stream=True, verify=None, cert=None
        )
        try:
            response = self._session.send(
                request,
                timeout=(limits.connect_timeout, limits.read_timeout),
                allow_redirects=False,
                **settings,
            )
        except requests.RequestException:
            return _NothingArrives()
        if response.status_code == 206 and self._continues(response, offset):
            return response.raw
        response.close()
        if response.status_code >= 500:
            return _NothingArrives()
        if response.status_code in {200, 206, 412, 416}:
            raise ContentChanged("The file in Kitsu changed while it was downloaded.") from lost
        raise lost

    def _continues(self, response: requests.Response, offset: int) -> bool:
        match = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "")
        )
        if match is None or self.length is None:
            return False
        first, last, whole = match.groups()
        etag = response.headers.get("ETag", self._etag)
        return (
            int(first) == offset
            and int(last) == self.length - 1
            and whole in {"*", str(self.length)}
            and etag == self._etag
        )

    def _pause(self, failures: int) -> None:
        """Full jitter, so that a farm does not come back all at once."""
        if failures:
            time.sleep(random.uniform(0, min(8.0, 0.25 * 2**failures)))


class _NothingArrives:
    """Stands for a connection that could not be made again: reading fails, and is counted."""

    def read1(self, *_: object, **__: object) -> bytes:
        raise urllib3.exceptions.ProtocolError("the server could not be reached again")

    def close(self) -> None:
        """There is nothing to close."""
