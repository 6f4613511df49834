"""Connections that hear a refusal while they send, and let go when a transfer is stopped."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_tasks.errors import Cancelled, Rejected
from farm_tasks.transfer.progress import Meter
from farm_tasks.transfer.relay import Share
from farm_tasks.transfer.session import Limits, TransferAdapter, TransferSession
from tests.servers import (
    CERTIFICATE,
    Exchange,
    Handler,
    LoopbackServer,
    ServedFile,
    UploadSink,
    early,
    hang,
    in_turn,
    status,
)
from tests.support.waiting import wait_until
from tests.transfer.conftest import OpenSession

PATIENT = Limits(connect_timeout=60, read_timeout=60, processing_timeout=60)
SOON = 2.0
"""Seconds in which a stopped transfer must end: far less than it would wait."""

LARGE = 256 * 1024 * 1024


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More than the buffers between two sockets hold; sparse."""
    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, LARGE)
    return path


@pytest.mark.parametrize("then", ["read", "reset", "ignore"])
@pytest.mark.parametrize("code", [400, 401, 403, 404, 413])
def test_a_refusal_is_heard_while_the_file_is_sent(
    open_session: OpenSession, large: Path, code: int, then: str
) -> None:
    session = open_session(limits=Limits(connect_timeout=0.5))
    refuse = early(code, {"message": "No."}, after=1000, then=then)
    with LoopbackServer(refuse) as server, large.open("rb") as file:
        answer = session.post(server.url, files={"file": file})
        assert answer.status_code == code
        assert answer.json() == {"message": "No."}
        assert server.last.body_read < LARGE / 2, "the rest was sent for nothing"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("then", ["close", "reset", "linger"])
def test_a_reset_right_after_the_answer_does_not_hide_it(
    session: TransferSession, large: Path, monkeypatch: pytest.MonkeyPatch, then: str, tls: bool
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    for _ in range(20):
        with LoopbackServer(early(413, {"message": "Big"}, then=then), tls=tls) as server:
            with large.open("rb") as file:
                answer = session.post(server.url, files={"file": file})
            assert answer.status_code == 413
            assert answer.json() == {"message": "Big"}
            assert len(server.exchanges) == 1


def test_after_half_a_body_the_connection_is_not_used_again(
    session: TransferSession, large: Path, movie: Path
) -> None:
    sink = UploadSink()
    refuse = early(401, {"message": "Signature has expired"}, after=1000)
    with LoopbackServer(in_turn(refuse, sink)) as server:
        with large.open("rb") as file:
            assert session.post(server.url, files={"file": file}).status_code == 401
        with movie.open("rb") as file:
            assert session.post(server.url, files={"file": file}).status_code == 201
        assert server.connections == 2
    assert sink.uploads[0][0].content == movie.read_bytes()


def test_an_early_redirect_is_refused_before_the_file_is_sent(
    session: TransferSession, large: Path
) -> None:
    moved = early(301, headers={"Location": "https://kitsu.example/"})
    with LoopbackServer(moved) as server, large.open("rb") as file:
        with pytest.raises(Rejected, match=r"kitsu\.example"):
            session.post(server.url, files={"file": file})
        assert server.last.body_read < LARGE / 2


def test_an_early_success_does_not_end_the_sending(session: TransferSession, movie: Path) -> None:
    """A 100 that nobody asked for, say, or a server that answers before it has stored."""

    def hasty(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.read_body()
        exchange.reply(201, b"{}")

    with LoopbackServer(hasty) as server, movie.open("rb") as file:
        assert session.post(server.url, files={"file": file}).status_code == 201
        assert server.last.is_complete


def test_a_file_that_is_no_upload_is_not_sent_line_by_line(
    session: TransferSession, tmp_path: Path
) -> None:
    class File(io.FileIO):
        def __next__(self) -> bytes:
            raise AssertionError("asked for a line")

    path = tmp_path / "lines.txt"
    path.write_bytes(b"\n" * 100_000)
    bodies: list[bytes] = []

    def keep(exchange: Exchange) -> None:
        bodies.append(exchange.read_body())
        exchange.reply(200, b"{}")

    with LoopbackServer(keep) as server, File(path) as file:
        session.post(server.url, data=file)
    assert bodies == [path.read_bytes()]


def stops(meter: Meter, when: Callable[[], object], transfer: Callable[[], object]) -> float:
    """Run ``transfer``, stop it once ``when`` is true, and say how long it went on after that."""
    stopped_at: list[float] = []

    def stop() -> None:
        wait_until(when, 10)
        stopped_at.append(time.monotonic())
        meter.stop(Cancelled("by the artist"))

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled, match="by the artist"):
        transfer()
    ended_at = time.monotonic()
    thread.join()
    return ended_at - stopped_at[0]


@pytest.fixture
def meter() -> Meter:
    """What a worker counts with."""
    return Meter()


@pytest.fixture
def patient(open_session: OpenSession, meter: Meter) -> TransferSession:
    """A session that would wait for a minute."""
    return open_session(meter, PATIENT)


def test_a_stop_ends_an_upload_that_the_server_does_not_read(
    patient: TransferSession, meter: Meter, large: Path
) -> None:
    def stop_reading(exchange: Exchange) -> None:
        exchange.receive()
        exchange.closing.wait()

    with LoopbackServer(stop_reading) as server, large.open("rb") as file:

        def stands_still() -> bool:
            before = meter.read().bytes_read
            time.sleep(0.1)
            has_begun = bool(server.exchanges) and server.last.body_read > 0
            return has_begun and before == meter.read().bytes_read

        took = stops(meter, stands_still, lambda: patient.post(server.url, files={"file": file}))
    assert took < SOON


def test_a_stop_ends_the_wait_for_an_answer(
    patient: TransferSession, meter: Meter, movie: Path
) -> None:
    with LoopbackServer(hang) as server, movie.open("rb") as file:
        took = stops(
            meter,
            lambda: server.exchanges and server.last.is_complete,
            lambda: patient.post(server.url, files={"file": file}),
        )
        assert len(server.exchanges) == 1
    assert took < SOON


def test_a_stop_reaches_a_transfer_through_a_share(
    open_session: OpenSession, meter: Meter, movie: Path
) -> None:
    session = open_session(Share(meter, 0, 0), PATIENT)
    with LoopbackServer(hang) as server, movie.open("rb") as file:
        took = stops(
            meter,
            lambda: server.exchanges and server.last.is_complete,
            lambda: session.post(server.url, files={"file": file}),
        )
    assert took < SOON


@pytest.mark.parametrize(
    "served",
    [
        ServedFile(bytes(1000), stall_after=100),
        ServedFile(bytes(1000), stall_after=0),
        ServedFile(bytes(1000), stall_after=100, chunked=True),
        ServedFile(bytes(1000), stall_after=100, etag=None),
    ],
    ids=["after some", "before any", "chunked", "not resumable"],
)
def test_a_stop_ends_a_download_that_stands_still(
    patient: TransferSession, meter: Meter, served: ServedFile
) -> None:
    def download(url: str) -> None:
        with patient.get(url, stream=True) as answer:
            for _ in answer.iter_content(8192):
                pass

    with LoopbackServer(served) as server:
        took = stops(meter, lambda: server.exchanges, lambda: download(server.url))
        assert len(server.exchanges) == 1, "and it is not resumed"
    assert took < SOON


def test_a_stop_ends_a_download_whose_connection_the_server_closes_itself(
    patient: TransferSession, meter: Meter
) -> None:
    def slow(exchange: Exchange) -> None:
        exchange.reply(200, b"some", {"Connection": "close"}, length=100)
        exchange.closing.wait()

    with LoopbackServer(slow) as server:
        took = stops(
            meter,
            lambda: server.exchanges,
            lambda: patient.get(server.url, stream=True).content,
        )
    assert took < SOON


@pytest.mark.parametrize(
    "handler",
    [status(202, {}, retry_after=50), hang],
    ids=["waiting for a preview", "waiting for headers"],
)
def test_a_stop_ends_a_wait(patient: TransferSession, meter: Meter, handler: Handler) -> None:
    with LoopbackServer(handler) as server:
        took = stops(meter, lambda: server.exchanges, lambda: patient.get(server.url, stream=True))
    assert took < SOON


def test_a_stop_ends_the_wait_before_a_resume(patient: TransferSession, meter: Meter) -> None:
    served = ServedFile(bytes(1000), cut_after=100)

    def away(exchange: Exchange) -> bool:
        status(503, retry_after=50)(exchange)
        return True

    served.at_resume = away
    with LoopbackServer(served) as server:
        took = stops(
            meter,
            lambda: len(server.exchanges) == 2,
            lambda: patient.get(server.url, stream=True).content,
        )
    assert took < SOON


def test_a_stopped_transfer_begins_nothing_new(patient: TransferSession, meter: Meter) -> None:
    meter.stop(Cancelled("by the artist"))
    with LoopbackServer(hang) as server:
        with pytest.raises(Cancelled):
            patient.post(server.url, json={})
        assert server.exchanges == []


@pytest.fixture
def shared() -> Iterator[TransferAdapter]:
    """Connections that several sessions use in turn."""
    adapter = TransferAdapter()
    yield adapter
    adapter.close()


def test_a_stop_leaves_the_connection_alone_that_another_session_has_taken_over(
    shared: TransferAdapter, meter: Meter
) -> None:
    first = TransferSession(meter, adapter=shared)
    second = TransferSession(adapter=shared)

    def answer_after_the_stop(exchange: Exchange) -> None:
        meter.stop(Cancelled())
        exchange.reply(200, b"{}")

    with LoopbackServer(in_turn(status(200, {}), answer_after_the_stop)) as server:
        first.get(server.url)
        assert second.get(server.url).status_code == 200
        assert server.connections == 1, "the test is about one and the same connection"
