"""What went wrong on the wire, told as an error of ours."""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import re
import ssl
import time
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from farm_tasks import errors

_GAZU_KNOWS = frozenset({400, 401, 403, 404, 405, 413, 422, 500, 502})
"""What gazu 1.3.1 raises for; it takes every other status for a success (client.check_status)."""

_ERROR_OF_STATUS: dict[int, type[errors.FarmTasksError]] = {
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    404: errors.EntityNotFound,
    408: errors.ServerUnavailable,
    413: errors.TooLarge,
    429: errors.TooManyRequests,
    500: errors.ServerError,
    502: errors.ServerUnavailable,
    503: errors.ServerUnavailable,
    504: errors.GatewayTimeout,
    # Cloudflare's, for an origin server that is away or slow.
    **dict.fromkeys(range(520, 524), errors.ServerUnavailable),
    524: errors.GatewayTimeout,
}

_HINT_OF_STATUS = {
    401: "Check KITSU_BOT_TOKEN, or KITSU_LOGIN and KITSU_PASSWORD, on the worker.",
    403: "Give the worker's Kitsu user a role that may do this.",
    413: "Raise client_max_body_size in the nginx in front of Kitsu (MAX_CONTENT_LENGTH in zou).",
}

_NOT_SENDABLE = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)

_CUT_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ConnectionError)
"""What a connection that breaks looks like from inside TLS."""

_LONGEST_RETRY_AFTER = 86_400.0
"""Seconds. No more than a bound on nonsense: how long a task does wait, the worker caps itself."""

_MESSAGE_BYTES = 64 * 1024
_MESSAGE_CHARACTERS = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of 400 or more.

    Attributes:
        status: The HTTP status code.
        message: What the server said of it, or "".
        where: Method and path of the request, without the query.
        retry_after: Seconds that the server asked to wait, or None.
    """

    status: int
    message: str
    where: str
    retry_after: float | None = None

    @property
    def is_known_to_gazu(self) -> bool:
        """Whether gazu raises an exception for this status by itself."""
        return self.status in _GAZU_KNOWS

    @classmethod
    def from_response(cls, response: requests.Response, read_body: bool = True) -> Refusal:
        """Read what the server said; at most 64 KiB of it, whatever it sends."""
        return cls(
            status=response.status_code,
            message=_message(response) if read_body else "",
            where=f"{response.request.method} {urlsplit(response.url).path}",
            retry_after=_retry_after(response.headers.get("Retry-After")),
        )


def from_status(refusal: Refusal) -> errors.FarmTasksError:
    """The error for an HTTP status: 408, 429, 502, 503, 504 and 520-524 are worth another try."""
    other = errors.ServerError if refusal.status >= 500 else errors.Rejected
    kind = _ERROR_OF_STATUS.get(refusal.status, other)
    parts = [f"{refusal.where}: Kitsu answered {refusal.status}."]
    if refusal.message:
        parts.append(refusal.message)
    if refusal.status in _HINT_OF_STATUS:
        parts.append(_HINT_OF_STATUS[refusal.status])
    text = " ".join(parts)
    if issubclass(kind, errors.TemporaryFailure):
        return kind(text, refusal.retry_after)
    return kind(text)


def from_network(error: Exception, url: str) -> errors.FarmTasksError:
    """The error for a request that got no answer, or only a part of one."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if isinstance(error, requests.exceptions.SSLError) and not isinstance(_root(error), _CUT_TLS):
        reason = _reason(error)
        return errors.PermanentFailure(f"{where}: TLS failed ({reason}). {_tls_to_mend(reason)}")
    if isinstance(error, _NOT_SENDABLE):
        return errors.NotConfigured(_setting_to_mend(error, where))
    if isinstance(error, requests.ConnectTimeout) or any(
        isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in _causes(error)
    ):
        return errors.Unreachable(f"{where} cannot be reached ({_reason(error)}).")
    if isinstance(
        error, (requests.ReadTimeout, TimeoutError, urllib3.exceptions.ReadTimeoutError)
    ) or isinstance(_root(error), TimeoutError):
        return errors.Stalled(f"{where} was silent for too long ({_reason(error)}).")
    if isinstance(
        error,
        (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            urllib3.exceptions.HTTPError,
        ),
    ):
        return errors.ConnectionLost(f"The connection to {where} failed ({_reason(error)}).")
    return errors.PermanentFailure(f"{where}: {type(error).__name__}: {_reason(error)}")


def _tls_to_mend(reason: str) -> str:
    if "mismatch" in reason or "doesn't match" in reason:
        return "Set KITSU_HOST to the name that is in the certificate."
    if "verify failed" in reason:
        return "For a CA of your own set KITSU_CA_FILE, or REQUESTS_CA_BUNDLE, to its file."
    return (
        "If the server asks for a certificate, set KITSU_CLIENT_CERT_FILE and "
        "KITSU_CLIENT_KEY_FILE; if it does not speak TLS, write http:// in KITSU_HOST."
    )


def _setting_to_mend(error: Exception, where: str) -> str:
    if isinstance(error, requests.exceptions.InvalidHeader):
        # Without the detail: requests quotes the header, and that is where the token is.
        return (
            f"{where}: the token or another header holds characters that HTTP does not allow, "
            "such as a line end or an invisible space. Set KITSU_BOT_TOKEN again, without them."
        )
    return f"{where} is not an address. Set KITSU_HOST."


def _reason(error: BaseException) -> str:
    """What the cause says, without urllib3's description of the connection in front."""
    return re.sub(r"^\w+\(host=.*?\): ", "", _printable(str(_root(error))))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what requests and urllib3 have wrapped in it, outermost first."""
    causes = [error]
    while True:
        reason = getattr(causes[-1], "reason", None)
        inner = next((arg for arg in causes[-1].args if isinstance(arg, BaseException)), None)
        cause = reason if isinstance(reason, BaseException) else inner
        if cause is None or cause in causes:
            return causes
        causes.append(cause)


def _root(error: BaseException) -> BaseException:
    """The cause at the bottom: the one that tells the most."""
    return _causes(error)[-1]


def _message(response: requests.Response) -> str:
    if not getattr(response, "_content_consumed", False):
        _read_in_advance(response)
    try:
        answer = response.json()
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    for key in ("message", "error", "msg"):
        if isinstance(answer.get(key), str) and answer[key]:
            # A server that repeats what it was sent must not have a token end up in Redis and logs.
            said = answer[key].replace(_token(response), "[token]")
            return _printable(said[:_MESSAGE_CHARACTERS])
    return ""


def _token(response: requests.Response) -> str:
    """What the request was authorised with, or what is in no message."""
    header = response.request.headers.get("Authorization") or ""
    value = header.decode("latin-1") if isinstance(header, bytes) else header
    return value.rpartition(" ")[2] or "\0"


def _printable(text: str) -> str:
    """One line without control characters: it ends in logs and on terminals."""
    return "".join(one if one.isprintable() else " " for one in text)


def _read_in_advance(response: requests.Response) -> None:
    """Read what there is of an error's body, and leave it where gazu can read it as well.

    However it ends: the status has been told, and gazu does not expect that reading can fail.
    """
    content = b""
    with contextlib.suppress(OSError, urllib3.exceptions.HTTPError):
        content = response.raw.read(_MESSAGE_BYTES, decode_content=True)
    response.close()
    response._content = content  # noqa: SLF001
    response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date (RFC 9110 10.2.3); a day at most."""
    value = (value or "").strip()
    if value.isdecimal():
        return min(float(value), _LONGEST_RETRY_AFTER)
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)
