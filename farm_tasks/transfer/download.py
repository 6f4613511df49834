"""The answer to a download: read in what arrives, resumed where the connection broke."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from farm_tasks.errors import ContentChanged, FarmTasksError, Stalled, TemporaryFailure
from farm_tasks.transfer import limit
from farm_tasks.transfer.failures import Refusal, from_network, from_status

if TYPE_CHECKING:
    from farm_tasks.transfer.session import TransferSession

READ_BYTES = 1024 * 1024
"""The most that one read asks for. ``read1`` returns what has arrived, so a trickle is seen.

It is also how much has to arrive before earlier cuts of a download are forgiven.
"""

_LEAST_PAUSE = 0.05


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
        is_whole = self.status_code == requests.codes.ok and self.request.method == "GET"
        self._etag = etag if etag.startswith('"') and is_whole else None
        self._content_consumed: bool = self.__dict__["_content_consumed"]
        self._waited = 0.0
        self._arrived = 0

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
            TemporaryFailure: the server cannot give the rest at the moment.
        """
        if self._content_consumed:
            yield from super().iter_content(chunk_size or READ_BYTES)
            return
        offset = forgiven_at = resumes = 0
        while True:
            began_at = offset
            try:
                for piece in self._read():
                    offset += len(piece)
                    yield piece
            except (TemporaryFailure, urllib3.exceptions.HTTPError, OSError) as error:
                self.raw.close()
                self._session.check()
                if offset == self.length:
                    break
                lost = error if isinstance(error, FarmTasksError) else from_network(error, self.url)
                if not self.is_resumable:
                    raise lost from error
                if self._has_advanced(offset - began_at, offset - forgiven_at, lost):
                    forgiven_at, resumes = offset, 0
                self.raw = self._resume(offset, lost, resumes)
                resumes += 1
            else:
                break
        self._content_consumed = True

    def _read(self) -> Iterator[bytes]:
        lane = limit.down()
        while True:
            asked_at = time.monotonic()
            most = READ_BYTES if lane is None else lane.piece(READ_BYTES)
            if self._decode:
                piece = self.raw.read(min(most, 64 * 1024), decode_content=True)
            else:
                piece = self.raw.read1(most, decode_content=False)
            if not piece:
                return
            # Only the network's share of the time: a slow disk is not the server's fault, nor are
            # limits of our own.
            self._waited += time.monotonic() - asked_at
            self._arrived += len(piece)
            self._session.note_moved(len(piece))
            if lane is not None:
                # What arrives is known afterwards. The kernel's buffer fills, and the sender waits.
                lane.wait(len(piece), self._session.check)
            yield piece
            self._check_rate()

    def _check_rate(self) -> None:
        limits = self._session.limits
        if self._waited < limits.rate_window:
            return
        rate = self._arrived / self._waited
        self._waited, self._arrived = 0.0, 0
        if rate < limits.least_rate:
            raise Stalled(f"Only {rate:.0f} bytes/s arrive from {urlsplit(self.url).netloc}.")

    def _has_advanced(self, in_answer: int, in_row: int, lost: FarmTasksError) -> bool:
        """Whether it is worth to go on for ever like this: not with a trickle, nor byte by byte.

        Args:
            in_answer: Bytes that the last answer brought.
            in_row: Bytes that all answers brought since this was last true.
            lost: How the last answer ended.
        """
        limits = self._session.limits
        if isinstance(lost, Stalled):
            return in_answer >= max(1.0, limits.least_rate * limits.rate_window)
        return in_row >= READ_BYTES

    def _resume(self, offset: int, lost: FarmTasksError, resumes: int) -> Any:
        """Ask for the rest until there is an answer to read from, or too many have failed."""
        limits = self._session.limits
        wait = 0.0
        while resumes < limits.resumes:
            self._session.pause(wait or _jitter(resumes))
            answer = self._ask_from(offset)
            self._session.check()
            if answer is not None and answer.status_code == 206 and self._continues(answer, offset):
                return answer.raw
            if answer is not None:
                answer.close()
                wait = self._judge(answer, lost)
            resumes += 1
        raise lost

    def _ask_from(self, offset: int) -> requests.Response | None:
        request = self.request.copy()
        request.headers["Range"] = f"bytes={offset}-"
        request.headers["If-Range"] = self._etag or ""
        limits = self._session.limits
        settings = self._session.merge_environment_settings(
            self.url, {}, stream=True, verify=None, cert=None
        )
        try:
            return self._session.send(
                request,
                timeout=(limits.connect_timeout, limits.read_timeout),
                allow_redirects=False,
                **settings,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            return None

    def _judge(self, answer: requests.Response, lost: FarmTasksError) -> float:
        """Seconds to wait before asking again, after an answer that is not the rest.

        Raises:
            FarmTasksError: asking again is of no use now.
        """
        refusal = Refusal.from_response(answer, read_body=False)
        if refusal.status in {200, 206, 412, 416}:
            if refusal.status == 200 and answer.headers.get("ETag") == self._etag:
                raise lost  # the same file, but this server gives no ranges of it
            raise ContentChanged("The file in Kitsu changed while it was downloaded.") from lost
        failure = from_status(refusal)
        if refusal.status == requests.codes.unauthorized:
            raise lost  # the token ended meanwhile: a new try begins with a new one
        if not failure.retryable and refusal.status < 500:
            raise failure from lost
        wait = refusal.retry_after or 0.0
        if wait > self._session.limits.processing_timeout:
            raise failure from lost
        return wait

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
            and "Content-Encoding" not in response.headers
        )


def _jitter(resumes: int) -> float:
    """Seconds; jitter, so that a farm does not come back all at once, but never nothing."""
    return random.uniform(_LEAST_PAUSE, min(8.0, 0.25 * 2**resumes))
