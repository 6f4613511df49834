"""A requests.Session for large files, to be put in the place of any plain one.

Uploads given as ``files=`` stream in constant memory, downloads asked for with ``stream=True``
come back as a :class:`~farm_tasks.transfer.download.Download` that resumes, everything has a
timeout, and what fails raises an error of ours. Nothing here knows what is at the other end.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from farm_tasks.errors import Rejected, StillProcessing
from farm_tasks.transfer.body import MultipartBody
from farm_tasks.transfer.connection import TransferAdapter, Wire
from farm_tasks.transfer.download import Download
from farm_tasks.transfer.failures import Refusal, from_network, from_status
from farm_tasks.transfer.progress import ProgressCallback, announce, check, moved, on_stop

__all__ = ["Limits", "TransferAdapter", "TransferSession"]


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How patient a session is.

    Attributes:
        connect_timeout: Seconds to connect, and to hand one piece to the socket. A piece has what
            the line takes in a tenth of a second, 16 KiB at least, and Linux wakes a sender for
            128 KiB: an upload fails that is slower than 9 kB/s, or, where it was fast before, than
            35 kB/s.
        read_timeout: Seconds of silence while an answer or a download is awaited.
        answer_rate: Bytes per second at which the server is trusted to digest an upload. The
            answer to a large one may take size / answer_rate seconds more than read_timeout: zou
            copies a movie to its storage before it answers.
        least_rate, rate_window: A download that stays below this many bytes per second for this
            many seconds has stalled.
        processing_timeout: Seconds to wait, in all, while the server answers 202 "not built yet".
        resumes: How often in a row a download is asked for again, with less than 1 MiB arriving
            meanwhile, before it gives up. With eight a server may be restarted meanwhile: they are
            spread over 15 s on average.
    """

    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    answer_rate: float = 10e6
    least_rate: float = 1000.0
    rate_window: float = 60.0
    processing_timeout: float = 60.0
    resumes: int = 8


class TransferSession(requests.Session):
    """A session for one transfer; the connections below it are shared through ``adapter``.

    Args:
        progress: Called as the bytes of an upload arrive, for the last time with the answer. What
            it raises ends the transfer. Downloads are counted by whoever writes them; of those it
            is only told the stage.
        adapter: Where the connections come from; a new one by default.
        limits: Timeouts and the stall guard.

    Attributes:
        refusal: The last answer, with the server's own words, if it was of 400 or more. gazu's
            exceptions do not carry them.
        mend_url: Changes an address before it is asked for, where the caller builds a wrong one.
    """

    def __init__(
        self,
        progress: ProgressCallback | None = None,
        adapter: TransferAdapter | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__()
        adapter = adapter or TransferAdapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        # A compressed body has no length that progress could be measured against.
        self.headers["Accept-Encoding"] = "identity"
        self.limits = limits or Limits()
        self.refusal: Refusal | None = None
        self.mend_url: Callable[[str], str] | None = None
        self._progress = progress
        self._wire = Wire(self.check)
        on_stop(progress, self._wire.cut)

    def request(  # type: ignore[override]  # by keyword only: nobody counts fifteen positions
        self, method: str, url: str, *, stream: bool = False, **options: Any
    ) -> requests.Response:
        """Send a request, as :meth:`requests.Session.request` does.

        Raises:
            TemporaryFailure: the connection failed, or the answer was one that says "later".
            FarmTasksError: the answer was an error that gazu takes for a success, or a redirect
                that would lose the body; or whatever the progress callback raises.
            FileChanged, FileUnreadable: see :class:`~farm_tasks.transfer.body.FilePart`.
        """
        if self.mend_url is not None:
            url = self.mend_url(url)
        files = options.pop("files", None)
        headers = dict(options.pop("headers", None) or {})
        timeout = (self.limits.connect_timeout, self.limits.read_timeout)
        body = None
        if files:
            body = MultipartBody(_text_fields(options.pop("data", None)), files, self._progress)
            headers["Content-Type"] = body.content_type
            timeout = (timeout[0], timeout[1] + body.total / self.limits.answer_rate)
            options["data"] = body
        options.setdefault("timeout", timeout)
        if self.auth is None and "Authorization" in headers:
            # Or else requests lets an entry in the user's ~/.netrc win over the token.
            options.setdefault("auth", _as_it_is)
        deadline = time.monotonic() + self.limits.processing_timeout
        try:
            while True:
                response = self._send_once(method, url, headers, stream, options)
                if not (stream and response.status_code == requests.codes.accepted):
                    break
                self._wait_until_built(response, deadline)
        finally:
            if body is not None:
                body.close()
        if body is not None and response.ok:
            body.finish()
        if stream and response.ok:
            announce(self._progress, "downloading")
            return Download(response, self)
        return response

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Make it ready to be sent.

        Raises:
            NotConfigured: a header cannot be sent as it is. requests and http.client would say so
                in three ways, each with the value, which may be a token.
        """
        try:
            prepared = super().prepare_request(request)
        except requests.exceptions.InvalidHeader:
            prepared = None
        except UnicodeEncodeError as error:
            if error.encoding != "latin-1":
                raise  # not the login of a header, but a field or an address
            prepared = None
        if prepared is None or not all(map(_can_be_sent, prepared.headers.values())):
            # Here, so that the first error is not its context: a traceback would show the value.
            raise from_network(requests.exceptions.InvalidHeader(), request.url or "")
        return prepared

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send what is prepared, on a connection that a stopped transfer lets go of."""
        with self._wire.in_use():
            return super().send(request, **options)

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Let a CA that this session was given count more than the environment's.

        requests lets ``REQUESTS_CA_BUNDLE`` win over ``Session.verify`` (its issue 3829).
        """
        if verify is None and isinstance(self.verify, str):
            verify = self.verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)

    def check(self) -> None:
        """Raise what ends this transfer, if someone asked for its end."""
        check(self._progress)

    def note_moved(self, count: int) -> None:
        """Hear that so many bytes of a download have arrived."""
        moved(self._progress, count)

    def pause(self, seconds: float) -> None:
        """Sleep, unless someone asks for the end of this transfer."""
        wake_at = time.monotonic() + seconds
        while (left := wake_at - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.25))
        self.check()

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Refuse a redirect that would turn an upload into a GET (RFC 9110 15.4)."""
        target = super().get_redirect_target(resp)
        safe = resp.status_code in {307, 308} or resp.request.method in {"GET", "HEAD"}
        if target and not safe:
            where = urlsplit(urljoin(resp.url, target))
            resp.close()
            raise Rejected(
                f"{resp.url} redirects to {where.scheme}://{where.netloc}: "
                "set KITSU_HOST to the address that it redirects to."
            )
        return target

    def _send_once(
        self, method: str, url: str, headers: dict[str, str], stream: bool, options: dict[str, Any]
    ) -> requests.Response:
        self.refusal = None
        try:
            # Streamed in any case: an error whose body is cut off is still that error.
            response = super().request(method, url, headers=headers, stream=True, **options)
            if not stream and response.status_code < requests.codes.bad_request:
                _ = response.content
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            self.check()
            raise from_network(error, url) from error
        if response.status_code >= requests.codes.bad_request:
            self.refusal = Refusal.from_response(response)
            self.check()
            if not self.refusal.is_known_to_gazu:
                raise from_status(self.refusal)
        return response

    def _wait_until_built(self, response: requests.Response, deadline: float) -> None:
        """Wait as long as a 202 asks for, listening for a cancel meanwhile."""
        response.close()
        wait = Refusal.from_response(response, read_body=False).retry_after or 5.0
        left = deadline - time.monotonic()
        if left <= 0:
            raise StillProcessing(
                "Kitsu is still building this file. It can be downloaded later.", wait
            )
        announce(self._progress, "waiting for Kitsu")
        self.pause(min(wait, left))


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _can_be_sent(value: str | bytes) -> bool:
    """Whether it can be the value of a header (RFC 9110 5.5)."""
    text = value if isinstance(value, str) else value.decode("latin-1")
    return re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text) is not None


def _text_fields(data: Any) -> Iterable[tuple[str, str]]:
    """The fields of ``data`` as requests would send them beside files."""
    pairs = data.items() if isinstance(data, Mapping) else data or ()
    for name, values in pairs:
        for value in values if isinstance(values, (list, tuple)) else (values,):
            if value is not None:
                yield str(name), value if isinstance(value, str) else str(value)
