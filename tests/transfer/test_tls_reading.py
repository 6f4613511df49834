"""Several records of TLS in one read, and what ends them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from farm_tasks.transfer import tls_reading
from farm_tasks.transfer.tls_reading import RECORD_BYTES, Records, TLSResponse
from tests.servers.loopback import CERTIFICATE

PATIENCE = 10.0


@dataclass
class Road:
    """A connection that speaks TLS."""

    sender: ssl.SSLSocket
    reader: ssl.SSLSocket
    records: Records

    def read(self, size: int) -> bytes:
        """What one read for ``size`` bytes brings."""
        buffer = bytearray(size)
        return bytes(buffer[: self.records.readinto(buffer)])


@pytest.fixture
def road() -> Iterator[Road]:
    of_sender = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_sender.load_cert_chain(CERTIFICATE)
    of_reader = ssl.create_default_context(cafile=CERTIFICATE)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), PATIENCE) as plain,
        listener.accept()[0] as accepted,
    ):
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shaken: list[ssl.SSLSocket] = []
        thread = threading.Thread(
            target=lambda: shaken.append(of_sender.wrap_socket(accepted, server_side=True))
        )
        thread.start()
        with of_reader.wrap_socket(plain, server_hostname="127.0.0.1") as reader:
            thread.join()
            [sender] = shaken
            raw = reader.makefile("rb").detach()
            with sender, Records(reader, raw) as records:
                yield Road(sender, reader, records)


def test_what_has_arrived_is_read_at_once(road: Road) -> None:
    content = bytes(range(256)) * 400
    road.sender.sendall(content)
    assert road.read(1024 * 1024) == content
    assert road.reader.gettimeout() == PATIENCE


def test_no_more_is_read_than_is_asked_for(road: Road) -> None:
    road.sender.sendall(bytes(100_000))
    assert [len(road.read(size)) for size in (40_000, 40_000, 20_000)] == [40_000, 40_000, 20_000]


def test_a_read_of_a_head_waits_for_nothing_more(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_reading, "GATHERING_SECONDS", 3600)
    road.sender.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    assert road.read(RECORD_BYTES) == b"HTTP/1.1 200 OK\r\n\r\n"


def test_of_a_head_no_more_than_a_record_is_asked_for(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = Records.readinto

    def note(records: Records, buffer: memoryview) -> int | None:
        asked.append(len(buffer))
        return read(records, buffer)

    monkeypatch.setattr(Records, "readinto", note)
    road.sender.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    response = TLSResponse(road.reader)
    response.begin()
    response.close()
    assert asked == [RECORD_BYTES]


def test_what_comes_within_a_moment_comes_with_the_first(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_reading, "GATHERING_SECONDS", 3600)
    road.sender.sendall(b"first")
    later = threading.Timer(0.2, road.sender.sendall, [bytes(2 * RECORD_BYTES)])
    later.start()
    assert len(road.read(2 * RECORD_BYTES + 5)) == 2 * RECORD_BYTES + 5
    later.join()


def test_half_a_record_is_not_waited_for(road: Road) -> None:
    """Bytes of the socket are there, and none of TLS."""
    road.sender.sendall(b"first")
    half_a_record = b"\x17\x03\x03\x40\x00" + bytes(1000)
    socket.socket.send(road.sender, half_a_record)
    assert road.read(1024 * 1024) == b"first"


def test_what_came_before_the_end_is_not_lost(road: Road) -> None:
    road.sender.sendall(bytes(3 * RECORD_BYTES))
    road.sender.close()
    assert len(road.read(1024 * 1024)) == 3 * RECORD_BYTES
    assert road.read(1024 * 1024) == b""
    assert road.reader.gettimeout() == PATIENCE


def test_what_came_before_an_error_is_not_lost(road: Road) -> None:
    road.sender.sendall(bytes(3 * RECORD_BYTES))
    socket.socket.send(road.sender, b"\x17\x03\x03\x00\x40" + bytes(64))  # encrypted by nobody
    assert len(road.read(1024 * 1024)) == 3 * RECORD_BYTES
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        road.read(1024 * 1024)
    assert road.reader.gettimeout() == PATIENCE


def test_a_silence_is_a_timeout(road: Road) -> None:
    road.reader.settimeout(0.1)
    with pytest.raises(TimeoutError):
        road.read(1024 * 1024)


def test_the_socket_is_let_go_of(road: Road) -> None:
    road.records.close()
    road.reader.close()
    assert road.reader.fileno() == -1
