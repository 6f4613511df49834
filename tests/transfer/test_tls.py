"""The same over TLS, where a socket is not what it seems."""

# ruff: noqa: SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks.errors import Cancelled, ConnectionLost, PermanentFailure, TemporaryFailure
from farm_tasks.transfer.progress import Meter
from farm_tasks.transfer.session import Limits, TransferSession
from tests.servers import (
    CERTIFICATE,
    Exchange,
    LoopbackServer,
    ServedFile,
    UploadSink,
    hang,
    in_turn,
    status,
)
from tests.support.waiting import wait_until
from tests.transfer.conftest import OpenSession


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the test's certificate, in the way that our message recommends."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))


def test_a_file_goes_up_and_comes_down(session: TransferSession, movie: Path) -> None:
    sink = UploadSink()
    served = ServedFile(movie.read_bytes(), cut_after=1_000_000)
    with LoopbackServer(in_turn(sink, served), tls=True) as server:
        with movie.open("rb") as file:
            session.post(server.url, files={"file": file})
        answer = session.get(server.url, stream=True)
        assert answer.content == movie.read_bytes()
    assert sink.uploads[0][0].content == movie.read_bytes()


@contextlib.contextmanager
def tls_proxy() -> Iterator[str]:
    """A proxy that is spoken to by TLS, and tunnels whatever it is asked for; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def relay(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(64 * 1024):
                sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def tunnel(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secure:
            head = b""
            while b"\r\n\r\n" not in head:
                head += secure.recv(4096)
            host, _, port = head.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as server:
                secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=relay, args=(server, secure))
                back.start()
                relay(secure, server)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            client, _ = listener.accept()
            with client:
                tunnel(client)

        # One connection each: sessions keep theirs.
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


def test_a_proxy_that_speaks_tls_is_gone_through_and_let_go_of(
    open_session: OpenSession, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket of such a connection is an object of urllib3's, which knows less than others."""
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    figures: list[int] = []
    sink = UploadSink()
    with tls_proxy() as proxy, LoopbackServer(sink, tls=True) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        session = open_session(lambda done, _: figures.append(done))
        with movie.open("rb") as file:
            assert session.post(server.url, files={"file": file}).status_code == 201
    assert sink.uploads[0][0].content == movie.read_bytes()
    assert figures[-1] == movie.stat().st_size

    meter = Meter()
    with tls_proxy() as proxy, LoopbackServer(hang, tls=True) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        session = open_session(meter, Limits(read_timeout=60))
        threading.Timer(0.5, lambda: meter.stop(Cancelled("Enough."))).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            session.get(server.url)
        assert time.monotonic() - begun < 10


def test_what_comes_fast_is_read_by_more_than_one_record(session: TransferSession) -> None:
    content = os.urandom(64 * 1024 * 1024)
    with LoopbackServer(ServedFile(content), tls=True) as server:
        pieces = list(session.get(server.url, stream=True).iter_content())
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) > 2 * 16 * 1024


def test_what_becomes_slow_is_seen_as_it_comes(session: TransferSession) -> None:
    fast, slow = (os.urandom(size) for size in (64 * 1024 * 1024, 50_000))
    arrived = 0
    more = threading.Condition()
    seen = []

    def has_arrived(size: int) -> bool:
        with more:
            return more.wait_for(lambda: arrived >= size, 5)

    def serve(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.reply_head(200, {"Content-Length": str(len(fast) + len(slow))})
        exchange.send(fast)
        for start in range(0, len(slow), 1000):
            seen.append(has_arrived(len(fast) + start))
            if not seen[-1]:
                exchange.send(slow[start:])
                break
            exchange.send(slow[start : start + 1000])

    content = bytearray()
    largest = 0
    with LoopbackServer(serve, tls=True) as server:
        for piece in session.get(server.url, stream=True).iter_content():
            content += piece
            largest = max(largest, len(piece))
            with more:
                arrived = len(content)
                more.notify()
    assert content == fast + slow
    assert largest > 2 * 16 * 1024
    assert all(seen), "more was waited for than had been sent"


def test_what_nearly_stops_after_it_was_fast_has_stalled(open_session: OpenSession) -> None:
    """Each record comes long before a socket's timeout, and a block of them in a quarter hour."""
    fast = os.urandom(64 * 1024 * 1024)

    def serve(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.reply_head(200, {"Content-Length": str(2 * len(fast))})
        exchange.send(fast)
        for _ in range(300):
            exchange.send(b"." * 10)
            time.sleep(0.1)

    session = open_session(limits=Limits(read_timeout=60, least_rate=100_000, rate_window=1.0))
    begun = time.monotonic()
    with LoopbackServer(serve, tls=True) as server:
        answer = session.get(server.url, stream=True)
        with pytest.raises(TemporaryFailure):
            list(answer.iter_content())
        took = time.monotonic() - begun
    assert took < 15


def test_what_comes_slowly_is_seen_at_once(session: TransferSession) -> None:
    served = ServedFile(os.urandom(10_000), trickle=(1000, 0.02))
    with LoopbackServer(served, tls=True) as server:
        sizes = [len(piece) for piece in session.get(server.url, stream=True).iter_content()]
    assert sum(sizes) == 10_000
    assert max(sizes) <= 2000


def test_the_tickets_of_tls_are_not_taken_for_a_refusal(
    session: TransferSession, movie: Path
) -> None:
    """A server of TLS 1.3 sends some right after the handshake: the socket can be read."""
    for _ in range(5):
        with LoopbackServer(UploadSink(), tls=True) as server, movie.open("rb") as file:
            assert session.post(server.url, files={"file": file}).status_code == 201


def test_a_certificate_that_is_not_trusted_is_final_and_says_what_to_set(
    session: TransferSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with LoopbackServer(status(200, {}), tls=True) as server:
        with pytest.raises(PermanentFailure, match=r"self-signed.*REQUESTS_CA_BUNDLE") as raised:
            session.get(server.url)
    assert not raised.value.retryable


def test_tls_with_a_server_that_does_not_speak_it_is_final(session: TransferSession) -> None:
    def plain(exchange: Exchange) -> None:
        raise AssertionError("there is no request in a TLS greeting")

    with LoopbackServer(plain) as server:
        # Read as HTTP, the greeting never ends: the server is told to hang up first.
        def hang_up() -> None:
            wait_until(lambda: server._open, 10)
            server.hang_up()

        thread = threading.Timer(0.3, hang_up)
        thread.start()
        with pytest.raises((PermanentFailure, ConnectionLost)):
            session.get(server.url.replace("http://", "https://"))
        thread.join()


@pytest.mark.parametrize("size", [1, 64])
def test_an_upload_that_is_cut_is_a_lost_connection_not_a_bad_certificate(
    session: TransferSession, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, size * 1024 * 1024)
    with LoopbackServer(UploadSink(cut_after=300_000), tls=True) as server:
        with path.open("rb") as file, pytest.raises(ConnectionLost):
            session.post(server.url, files={"file": file})


@pytest.mark.parametrize("reads", [False, True])
def test_a_stop_ends_an_upload_that_waits(
    open_session: OpenSession, tmp_path: Path, reads: bool
) -> None:
    def stop_reading(exchange: Exchange) -> None:
        exchange.receive()
        exchange.closing.wait()

    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, 64 * 1024 * 1024)
    meter = Meter()
    session = open_session(meter, Limits(connect_timeout=60))
    with LoopbackServer(hang if reads else stop_reading, tls=True) as server:

        def stop() -> None:
            wait_until(lambda: server.exchanges and server.last.body_read > 0, 10)
            if reads:
                wait_until(lambda: server.last.is_complete, 10)
            meter.stop(Cancelled("by the artist"))

        thread = threading.Thread(target=stop)
        thread.start()
        began = time.monotonic()
        with path.open("rb") as file, pytest.raises(Cancelled):
            session.post(server.url, files={"file": file})
        thread.join()
    assert time.monotonic() - began < 5
