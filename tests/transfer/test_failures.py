"""What is made of a status, and of what requests and urllib3 raise."""

# ruff: noqa: SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import email.utils
import json
import ssl
import time

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from farm_tasks import errors
from farm_tasks.transfer.failures import Refusal, from_network, from_status
from farm_tasks.transfer.session import TransferSession
from tests.servers import LoopbackServer, status

URL = "https://farm:secret@kitsu.example/api/data?token=secret"


@given(st.integers(400, 999), st.text(max_size=50))
def test_every_status_has_an_error_that_survives_json(code: int, message: str) -> None:
    failure = from_status(Refusal(code, message, "GET /x", 3.0))
    again = type(failure)(*json.loads(json.dumps(failure.args)))
    assert str(again) == str(failure)
    assert str(code) in str(failure)
    assert message in str(failure)
    assert failure.retryable == (code in {408, 429, 502, 503, 504, *range(520, 525)})


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (401, errors.NotAuthenticated, "KITSU_BOT_TOKEN"),
        (403, errors.NotAllowed, "role"),
        (413, errors.TooLarge, "client_max_body_size"),
    ],
)
def test_a_refusal_says_what_to_change(
    code: int, kind: type[errors.FarmTasksError], hint: str
) -> None:
    failure = from_status(Refusal(code, "", "POST /x"))
    assert type(failure) is kind
    assert hint in str(failure)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("9" * 400, 86_400.0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 99999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_read_with_care(
    session: TransferSession, header: str, seconds: float | None
) -> None:
    with LoopbackServer(status(503, retry_after=header)) as server:
        with pytest.raises(errors.ServerUnavailable) as raised:
            session.get(server.url)
    assert raised.value.retry_after == seconds


def test_a_date_to_come_is_so_many_seconds_away(session: TransferSession) -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    with LoopbackServer(status(503, retry_after=date)) as server:
        with pytest.raises(errors.ServerUnavailable) as raised:
            session.get(server.url)
    assert raised.value.retry_after == pytest.approx(100, abs=10)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "No such task"}, "No such task"),
        ({"error": "No such task"}, "No such task"),
        ({"msg": "Not enough segments"}, "Not enough segments"),
        ({"error": True, "message": "No such task"}, "No such task"),
        ({"message": {"a": 1}}, ""),
        ({"message": "x" * 10_000}, "x" * 500),
        ("<html>nginx</html>", ""),
        ("[1, 2]", ""),
        ("", ""),
        (b"\xff\xfe\x00", ""),
    ],
)
def test_the_server_is_quoted_where_it_says_something(
    session: TransferSession, body: str, message: str
) -> None:
    with LoopbackServer(status(409, body)) as server, pytest.raises(errors.Rejected):
        session.get(server.url)
    assert session.refusal is not None
    assert session.refusal.message == message


def wrapped(cause: BaseException) -> requests.ConnectionError:
    """As requests wraps what urllib3 has wrapped."""
    pool = urllib3.HTTPConnectionPool("kitsu.example")
    aborted = urllib3.exceptions.ProtocolError("Connection aborted.", cause)
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/x", aborted))


def tls(cause: ssl.SSLError) -> requests.exceptions.SSLError:
    """As requests tells of TLS."""
    pool = urllib3.HTTPConnectionPool("kitsu.example")
    reason = urllib3.exceptions.SSLError(cause)
    return requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(pool, "/x", reason))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrapped(ConnectionResetError(104, "Connection reset by peer")), errors.ConnectionLost),
        (wrapped(TimeoutError("timed out")), errors.Stalled),
        (requests.ReadTimeout("Read timed out"), errors.Stalled),
        (requests.ConnectTimeout("timed out"), errors.Unreachable),
        (requests.exceptions.ChunkedEncodingError("broken"), errors.ConnectionLost),
        (requests.exceptions.InvalidURL("no host"), errors.NotConfigured),
        (requests.exceptions.MissingSchema("no scheme"), errors.NotConfigured),
        (tls(ssl.SSLCertVerificationError(1, "self-signed")), errors.PermanentFailure),
        (tls(ssl.SSLError(1, "WRONG_VERSION_NUMBER")), errors.PermanentFailure),
        (tls(ssl.SSLEOFError(8, "EOF occurred")), errors.ConnectionLost),
        (requests.TooManyRedirects("30"), errors.PermanentFailure),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_requests_raises_becomes_an_error_of_ours(
    error: Exception, kind: type[errors.FarmTasksError]
) -> None:
    failure = from_network(error, URL)
    assert type(failure) is kind
    assert "kitsu.example" in str(failure)


def test_a_token_in_a_bad_header_is_not_repeated() -> None:
    error = requests.exceptions.InvalidHeader(
        "Invalid leading whitespace, reserved character(s), or return character(s) "
        "in header value: 'Bearer secret'"
    )
    failure = from_network(error, URL)
    assert type(failure) is errors.NotConfigured
    assert "secret" not in str(failure)
    assert "KITSU_BOT_TOKEN" in str(failure)


def test_a_password_in_an_address_is_not_repeated() -> None:
    for error in (requests.ReadTimeout("x"), requests.TooManyRedirects("x"), tls(ssl.SSLError(1))):
        assert "secret" not in str(from_network(error, URL))


def test_an_address_with_a_password_is_not_told() -> None:
    url = "http://user:s3cret@127.0.0.1:99999/api"
    for error in (requests.exceptions.InvalidURL(url), requests.exceptions.MissingSchema(url)):
        assert "s3cret" not in str(from_network(error, url))


def test_what_cannot_be_connected_to_is_told_without_urllib3s_internals() -> None:
    with TransferSession() as session, pytest.raises(errors.Unreachable) as caught:
        session.get("http://127.0.0.1:1/")
    assert "Connection refused" in str(caught.value)
    assert "host=" not in str(caught.value)
