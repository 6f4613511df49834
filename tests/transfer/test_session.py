"""The session: uploads that stream, redirects, typed errors, time limits."""

# ruff: noqa: SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from farm_tasks.errors import (
    Cancelled,
    ConnectionLost,
    FarmTasksError,
    FileChanged,
    GatewayTimeout,
    NotConfigured,
    PermanentFailure,
    Rejected,
    ServerError,
    ServerUnavailable,
    Stalled,
    StillProcessing,
    TooManyRequests,
    Unreachable,
)
from farm_tasks.transfer.failures import Refusal
from farm_tasks.transfer.progress import Meter
from farm_tasks.transfer.session import Limits, TransferSession
from tests.servers import (
    Exchange,
    LoopbackServer,
    Part,
    ServedFile,
    UploadSink,
    hang,
    in_turn,
    redirect,
    status,
)
from tests.support.waiting import wait_until
from tests.transfer.conftest import OpenSession

BEARER = {"Authorization": "Bearer secret"}


class Listener(Meter):
    """Keeps every stage that it is told, and what was the stage at each figure."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[str] = []
        self.stages_of_figures: list[str] = []

    def __call__(self, bytes_read: int, total: int) -> None:
        super().__call__(bytes_read, total)
        self.stages_of_figures.append(self.stage)

    def announce(self, stage: str) -> None:
        super().announce(stage)
        self.stages.append(stage)


def test_an_upload_arrives_as_it_is_on_the_disk(session: TransferSession, movie: Path) -> None:
    sink = UploadSink()
    with LoopbackServer(sink) as server, movie.open("rb") as file:
        answer = session.post(
            f"{server.url}/x", data={"text": "well done", "n": 3}, files={"file": file}
        )
    assert answer.json() == {"id": "stored", "count": 3}
    assert sink.uploads == [
        [
            Part("text", b"well done"),
            Part("n", b"3"),
            Part("file", movie.read_bytes(), "shot_010.mov", "video/quicktime"),
        ]
    ]
    assert "transfer-encoding" not in server.last.headers
    assert server.last.headers["content-length"] == str(server.last.body_read)


def test_lists_and_nones_among_the_fields_are_sent_as_requests_sends_them(
    session: TransferSession, movie: Path
) -> None:
    sink = UploadSink()
    fields = {"task_ids": ["a", "b"], "nothing": None, "flag": True}
    with LoopbackServer(sink) as server, movie.open("rb") as file:
        session.post(server.url, data=fields, files={"file": file})
    assert [(part.name, part.content) for part in sink.uploads[0][:-1]] == [
        ("task_ids", b"a"),
        ("task_ids", b"b"),
        ("flag", b"True"),
    ]


def test_a_second_post_of_the_same_file_objects_sends_them_again(
    session: TransferSession, movie: Path
) -> None:
    """As gazu does after it has refreshed a token."""
    sink = UploadSink()
    expired = status(401, {"message": "Signature has expired"})
    with LoopbackServer(in_turn(expired, sink)) as server, movie.open("rb") as file:
        files = {"file": file}
        refused = session.post(server.url, data={"text": "1"}, files=files)
        assert refused.json() == {"message": "Signature has expired"}
        assert session.post(server.url, data={"text": "1"}, files=files).status_code == 201
    assert sink.uploads[0][1].content == movie.read_bytes()


@pytest.mark.parametrize("code", [307, 308])
def test_a_redirect_that_keeps_the_method_sends_the_body_again(
    open_session: OpenSession, movie: Path, code: int
) -> None:
    sink = UploadSink()
    meter = Meter()
    session = open_session(meter)
    with LoopbackServer(in_turn(redirect(code, "/elsewhere"), sink)) as server:
        with movie.open("rb") as file:
            session.post(f"{server.url}/x", headers=BEARER, files={"file": file})
    assert sink.uploads[0][0].content == movie.read_bytes()
    assert server.last.target == "/elsewhere"
    assert server.last.headers["authorization"] == "Bearer secret"
    assert meter.read().bytes_read == movie.stat().st_size


@pytest.mark.parametrize("again", ["refreshed", "redirected"])
def test_a_file_that_is_sent_again_is_uploading_again(
    open_session: OpenSession, movie: Path, again: str
) -> None:
    listener = Listener()
    session = open_session(listener)
    refuse = redirect(307, "/x") if again == "redirected" else status(401, {"message": "expired"})
    with LoopbackServer(in_turn(refuse, UploadSink())) as server, movie.open("rb") as file:
        if session.post(server.url, files={"file": file}).status_code == 401:
            session.post(server.url, files={"file": file})
    assert listener.stages == ["uploading", "waiting for Kitsu"] * 2
    assert set(listener.stages_of_figures[:-1]) == {"uploading"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what nobody has read")
def test_the_last_bytes_are_seen_to_arrive_before_the_answer(
    open_session: OpenSession, tmp_path: Path
) -> None:
    """All of it is in the buffers by then: no piece is left to count them by."""
    path = tmp_path / "shot_010.mov"
    path.write_bytes(bytes(200_000))
    meter = Meter()
    session = open_session(meter)
    may_read, may_answer = threading.Event(), threading.Event()

    def answer_late(exchange: Exchange) -> None:
        may_read.wait(10)
        exchange.read_body()
        may_answer.wait(10)
        exchange.reply(201)

    with (
        LoopbackServer(answer_late) as server,
        path.open("rb") as file,
        ThreadPoolExecutor(1) as thread,
    ):
        try:
            posting = thread.submit(session.post, server.url, files={"file": file})
            wait_until(lambda: meter.stage == "waiting for Kitsu", 10)
            before = meter.read().bytes_read
            may_read.set()
            wait_until(lambda: meter.read().bytes_read > before + 20_000, 10)
            assert not posting.done()
        finally:
            may_read.set()
            may_answer.set()
        assert posting.result(10).status_code == 201


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_redirect_that_would_lose_the_body_is_refused_and_says_where_to_go(
    session: TransferSession, movie: Path, code: int
) -> None:
    with LoopbackServer(redirect(code, "https://kitsu.example/api/x")) as server:
        with movie.open("rb") as file, pytest.raises(Rejected, match=r"https://kitsu\.example:"):
            session.post(server.url, files={"file": file})
        assert len(server.exchanges) == 1


def test_a_redirect_without_a_host_names_the_one_it_came_from(
    session: TransferSession, movie: Path
) -> None:
    with LoopbackServer(redirect(302, "/login")) as server, movie.open("rb") as file:
        with pytest.raises(Rejected, match=f"redirects to {server.url}: "):
            session.post(server.url, files={"file": file})


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_token_is_not_given_to_another_host(session: TransferSession, code: int) -> None:
    served = ServedFile(b"a movie")
    with LoopbackServer(served) as other, LoopbackServer(redirect(code, other.other_url)) as server:
        answer = session.get(server.url, headers=BEARER, stream=True)
        assert b"".join(answer.iter_content(8192)) == b"a movie"
        assert server.last.headers["authorization"] == "Bearer secret"
        assert "authorization" not in other.last.headers


def test_a_token_is_not_given_to_another_host_with_an_upload_either(
    session: TransferSession, movie: Path
) -> None:
    sink = UploadSink()
    with LoopbackServer(sink) as other, LoopbackServer(redirect(307, other.other_url)) as server:
        with movie.open("rb") as file:
            session.post(server.url, headers=BEARER, files={"file": file})
        assert "authorization" not in other.last.headers


def test_a_netrc_does_not_replace_the_token(
    session: TransferSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login artist password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with LoopbackServer(status(200, {})) as server:
        session.get(server.url, headers=BEARER)
        assert server.last.headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("how", ["grows", "shrinks"])
def test_a_server_never_sees_the_end_of_a_file_that_changes(
    open_session: OpenSession, movie: Path, how: str
) -> None:
    size = movie.stat().st_size

    def change(bytes_read: int, total: int) -> None:
        os.truncate(movie, size + 1 if how == "grows" else size - 1)

    sink = UploadSink()
    with LoopbackServer(sink) as server, movie.open("rb") as file:
        with pytest.raises(FileChanged):
            open_session(change).post(server.url, files={"file": file})
    assert not server.last.is_complete
    assert sink.uploads == []


def test_a_callback_that_raises_ends_the_upload(open_session: OpenSession, movie: Path) -> None:
    def stop(bytes_read: int, total: int) -> None:
        raise Cancelled("by the artist")

    sink = UploadSink()
    with LoopbackServer(sink) as server, movie.open("rb") as file:
        with pytest.raises(Cancelled, match="by the artist"):
            open_session(stop).post(server.url, files={"file": file})
    assert sink.uploads == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (402, Rejected),
        (406, Rejected),
        (408, ServerUnavailable),
        (409, Rejected),
        (410, Rejected),
        (416, Rejected),
        (418, Rejected),
        (429, TooManyRequests),
        (451, Rejected),
        (501, ServerError),
        (503, ServerUnavailable),
        (504, GatewayTimeout),
        (522, ServerUnavailable),
        (599, ServerError),
    ],
)
def test_what_gazu_takes_for_a_success_is_an_error_before_anyone_sees_the_answer(
    session: TransferSession, movie: Path, code: int, kind: type[FarmTasksError]
) -> None:
    page = status(code, "<html>nginx</html>", retry_after=7)
    with LoopbackServer(page) as server:
        with pytest.raises(FarmTasksError) as downloading:
            session.get(f"{server.url}/data/x?token=secret", stream=True)
        with movie.open("rb") as file, pytest.raises(FarmTasksError) as uploading:
            session.post(f"{server.url}/data/x", files={"file": file})
    for raised in (downloading, uploading):
        assert type(raised.value) is kind
        assert str(code) in str(raised.value)
        assert "secret" not in str(raised.value)
        if kind.retryable:
            assert raised.value.args[1] == 7.0
    assert "GET /data/x: " in str(downloading.value)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 413, 422, 500, 502])
def test_what_gazu_knows_is_left_to_gazu_with_the_words_still_readable(
    session: TransferSession, code: int, stream: bool
) -> None:
    with LoopbackServer(status(code, {"message": "Wrong revision"})) as server:
        answer = session.get(server.url, stream=stream)
    assert answer.status_code == code
    assert answer.json() == {"message": "Wrong revision"}
    assert session.refusal is not None
    assert (session.refusal.status, session.refusal.message) == (code, "Wrong revision")


def test_a_refusal_is_forgotten_with_the_next_request(session: TransferSession) -> None:
    """Or else a token that was refreshed would be blamed for whatever comes after."""
    expired = status(401, {"message": "Signature has expired"})
    with LoopbackServer(in_turn(expired, status(200, {}))) as server:
        session.get(server.url)
        assert session.refusal is not None
        session.get(server.url)
        assert session.refusal is None
        session.refusal = Refusal(401, "expired", "GET /")
    with pytest.raises(Unreachable):
        session.post(server.url, json={})
    assert session.refusal is None, "what got no answer was not refused"


@pytest.mark.parametrize(
    "token",
    ["eyJsecret\n", "eyJsec\nret", "eyJ\u200bsecret", "eyJsecret\0", " eyJ\ud83dsecret"],
    ids=["line end", "two lines", "zero-width space", "nul", "half a surrogate pair"],
)
@pytest.mark.parametrize("place", ["request", "session", "netrc"])
def test_a_token_that_http_does_not_allow_is_told_without_repeating_it(
    session: TransferSession, token: str, place: str
) -> None:
    options: dict[str, Any] = {}
    if place == "request":
        options["headers"] = {"Authorization": f"Bearer {token}"}
    elif place == "session":
        session.headers["Authorization"] = token
    else:
        session.auth = ("artist", f"\u20ac{token}")
    with LoopbackServer(status(200, {})) as server, pytest.raises(NotConfigured) as raised:
        session.get(server.url, **options)
    assert not raised.value.retryable
    assert "KITSU_BOT_TOKEN" in str(raised.value)
    error: BaseException | None = raised.value
    while error is not None:
        assert "secret" not in repr(error)
        error = error.__cause__ or error.__context__
    assert server.exchanges == []


def test_a_field_that_cannot_be_encoded_is_not_blamed_on_the_token(
    session: TransferSession,
) -> None:
    with pytest.raises(UnicodeEncodeError):
        session.get("http://kitsu.invalid", params={"name": "half a \ud83d"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_an_error_whose_body_is_cut_is_still_that_error(
    session: TransferSession, reset: bool, stream: bool
) -> None:
    def cut_error(exchange: Exchange) -> None:
        exchange.reply(404, b'{"mess', {"Content-Type": "application/json"}, length=100)
        exchange.close()
        if reset:
            exchange.reset()

    with LoopbackServer(cut_error) as server:
        answer = session.get(server.url, stream=stream)
    assert answer.status_code == 404
    with pytest.raises(ValueError, match=r"Expecting value|Unterminated"):
        answer.json()
    assert session.refusal is not None
    assert session.refusal.message == ""


def test_no_more_of_an_error_is_read_than_a_message_needs(session: TransferSession) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.reply(500, b"x" * 1_000_000, length=10**12)
        exchange.closing.wait()

    with LoopbackServer(endless) as server:
        assert len(session.get(server.url, stream=True).content) == 64 * 1024


def test_html_in_the_place_of_json_is_returned_as_it_is(
    session: TransferSession, movie: Path
) -> None:
    with LoopbackServer(status(200, "<html>Kitsu</html>")) as server, movie.open("rb") as file:
        answer = session.post(server.url, files={"file": file})
    assert answer.text == "<html>Kitsu</html>"


def test_identity_is_asked_for(session: TransferSession) -> None:
    with LoopbackServer(status(200, {})) as server:
        session.get(server.url)
        assert server.last.headers["accept-encoding"] == "identity"


def test_connections_are_kept_and_shared(session: TransferSession, movie: Path) -> None:
    served = ServedFile(b"1" * 100_000)
    with LoopbackServer(in_turn(status(200, {}), UploadSink(), served)) as server:
        session.get(server.url)
        with movie.open("rb") as file:
            session.post(server.url, files={"file": file})
        for _ in range(2):
            with session.get(server.url, stream=True) as answer:
                assert len(b"".join(answer.iter_content(8192))) == 100_000
        assert len(server.exchanges) == 4
        assert server.connections == 1


def test_an_address_can_be_mended_before_it_is_asked_for(session: TransferSession) -> None:
    session.mend_url = lambda url: url.replace("#", "%23")
    with LoopbackServer(status(200, {})) as server:
        session.get(f"{server.url}/take#3.mov")
        assert server.last.target == "/take%233.mov"


def test_202_is_waited_out_and_then_the_file_comes(open_session: OpenSession) -> None:
    listener = Listener()
    building = status(202, {}, retry_after=1)
    started = time.monotonic()
    with LoopbackServer(in_turn(building, building, ServedFile(b"movie"))) as server:
        answer = open_session(listener).get(server.url, stream=True)
        assert answer.content == b"movie"
    assert time.monotonic() - started >= 2.0
    assert listener.stages == ["waiting for Kitsu", "waiting for Kitsu", "downloading"]


def test_202_is_not_waited_for_longer_than_the_limit(open_session: OpenSession) -> None:
    session = open_session(limits=Limits(processing_timeout=0.3))
    with LoopbackServer(status(202, {}, retry_after=600)) as server:
        with pytest.raises(StillProcessing) as raised:
            session.get(server.url, stream=True)
        assert raised.value.retry_after == 600.0
        assert len(server.exchanges) == 2, "one more look at the end of the wait"


def test_nobody_there_is_unreachable_and_nothing_happened(session: TransferSession) -> None:
    with LoopbackServer(hang) as server:
        pass
    with pytest.raises(Unreachable) as raised:
        session.post(server.url, json={})
    assert raised.value.nothing_happened


def test_a_name_that_does_not_resolve_is_unreachable(
    session: TransferSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(Unreachable, match=r"kitsu\.invalid"):
        session.get("http://kitsu.invalid/api")


def test_a_silent_server_is_a_stall(open_session: OpenSession, movie: Path) -> None:
    session = open_session(limits=Limits(read_timeout=0.3, answer_rate=1e9))
    with LoopbackServer(hang) as server, movie.open("rb") as file:
        with pytest.raises(Stalled, match="silent"):
            session.post(server.url, files={"file": file})
        assert server.last.is_complete
        assert len(server.exchanges) == 1, "an upload is not repeated behind anyone's back"


def test_a_large_upload_gives_the_server_more_time_to_answer(
    open_session: OpenSession, movie: Path
) -> None:
    session = open_session(limits=Limits(read_timeout=0.2, answer_rate=3e5))

    def digest(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.closing.wait(0.8)
        exchange.reply(201, b"{}")

    with LoopbackServer(digest) as server, movie.open("rb") as file:
        assert session.post(server.url, files={"file": file}).status_code == 201


def test_a_server_that_stops_reading_is_a_stall(open_session: OpenSession, tmp_path: Path) -> None:
    def stop_reading(exchange: Exchange) -> None:
        exchange.receive()
        exchange.closing.wait()

    large = tmp_path / "large.mov"
    large.touch()
    os.truncate(large, 64 * 1024 * 1024)
    session = open_session(limits=Limits(connect_timeout=0.4))
    with LoopbackServer(stop_reading) as server, large.open("rb") as file:
        with pytest.raises(Stalled):
            session.post(server.url, files={"file": file})


def test_a_connection_cut_in_the_middle_of_an_upload_is_lost(
    session: TransferSession, movie: Path
) -> None:
    with LoopbackServer(UploadSink(cut_after=1_000_000)) as server, movie.open("rb") as file:
        with pytest.raises(ConnectionLost):
            session.post(server.url, files={"file": file})


def test_an_answer_that_is_not_http_is_a_lost_connection(session: TransferSession) -> None:
    def nonsense(exchange: Exchange) -> None:
        exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        exchange.close()

    with LoopbackServer(nonsense) as server, pytest.raises(ConnectionLost):
        session.post(server.url, json={})


def test_redirects_in_a_circle_end(session: TransferSession) -> None:
    with LoopbackServer(redirect(302, "/again")) as server, pytest.raises(PermanentFailure):
        session.get(server.url)


def test_a_get_is_repeated_once_where_the_connection_broke(session: TransferSession) -> None:
    def reset(exchange: Exchange) -> None:
        exchange.reset()

    with LoopbackServer(in_turn(reset, status(200, {"version": "1"}))) as server:
        assert session.get(server.url).json() == {"version": "1"}


@pytest.mark.parametrize("options", [{}, {"json": {"a": 1}}, {"data": b"raw"}, {"data": {"a": 1}}])
def test_what_is_no_upload_goes_as_requests_sends_it(
    session: TransferSession, options: dict[str, Any]
) -> None:
    bodies: list[bytes] = []

    def keep(exchange: Exchange) -> None:
        bodies.append(exchange.read_body())
        exchange.reply(200, b"{}")

    with LoopbackServer(keep) as server:
        session.post(server.url, **options)
    assert bodies == [
        {"json": b'{"a": 1}', "data": b"raw" if options.get("data") == b"raw" else b"a=1"}.get(
            next(iter(options), ""), b""
        )
    ]
