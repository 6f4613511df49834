"""What a socket has taken and nobody has read: both ends are ours, so it is known to the byte."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from farm_tasks.transfer import backlog as backlog_module
from farm_tasks.transfer.backlog import Backlog
from farm_tasks.transfer.connection import TransferAdapter
from tests.support.waiting import wait_until

MIB = 1024 * 1024
A_PACKET = 4096

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells what a receiver has not read"
)


@dataclasses.dataclass
class Road:
    """A connection as transfers use them, and the one that reads it."""

    sender: socket.socket
    reader: socket.socket
    sent: int = 0
    read: int = 0

    def send(self, count: int) -> None:
        self.sent += self.sender.send(bytes(count))

    def receive(self, count: int) -> None:
        """Read until ``count`` bytes have been."""
        while self.read < count:
            self.read += len(self.reader.recv(count - self.read))


@pytest.fixture
def road() -> Iterator[Road]:
    options = TransferAdapter().poolmanager.connection_pool_kw["socket_options"]
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as reader,
    ):
        for option in options:
            sender.setsockopt(*option)
        sender.setblocking(False)
        yield Road(sender, reader)


@pytest.mark.parametrize("piece", [16 * 1024, 64 * 1024, 512 * 1024])
def test_what_fills_the_buffers_of_a_reader_that_has_not_begun_is_not_there(
    road: Road, piece: int
) -> None:
    backlog = Backlog(road.sender)
    with contextlib.suppress(BlockingIOError):
        while True:
            road.send(piece)
            assert road.sent - backlog() <= A_PACKET


@pytest.mark.parametrize("read", [MIB, 4 * MIB, 64 * MIB])
def test_what_fills_the_buffers_of_a_reader_that_has_stopped_is_not_there(
    road: Road, read: int
) -> None:
    """As it reads, its kernel offers more and more, and takes more than it offers."""
    backlog = Backlog(road.sender)
    while road.sent < read:
        road.send(256 * 1024)
        backlog()
        road.receive(road.sent)
    with contextlib.suppress(BlockingIOError):
        while True:
            road.send(512 * 1024)
            assert road.sent - backlog() - read <= A_PACKET


def test_soon_after_it_was_read_all_of_it_is_there(road: Road) -> None:
    backlog = Backlog(road.sender)
    while road.sent < 16 * MIB:
        road.send(256 * 1024)
        backlog()
        road.receive(road.sent)

    def goes_on() -> bool:
        road.send(1)
        road.receive(road.sent)
        return backlog() == 0

    wait_until(goes_on, 10)


def test_that_time_passes_is_no_sign_of_a_reader(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(backlog_module.time, "monotonic", lambda: now)
    backlog = Backlog(road.sender)
    for _ in range(3):
        road.send(16 * 1024)
        backlog()
    wait_until(lambda: backlog._unacknowledged() == 0, 5)
    for _ in range(3):
        assert road.sent - backlog() <= A_PACKET
        now += 60


def test_what_is_heard_of_late_is_no_sign_of_a_reader_either(road: Road) -> None:
    """The window has grown, the rest is taken at once, and nobody asks for a while."""
    backlog = Backlog(road.sender)
    for _ in range(3):
        road.send(16 * 1024)
        backlog()
    road.send(8 * 1024)
    wait_until(lambda: backlog._unacknowledged() == 0, 5)
    time.sleep(2 * backlog_module._GROWTH_SECONDS)
    assert road.sent - backlog() <= A_PACKET


def test_of_a_socket_that_is_closed_nothing_more_is_known_to_arrive(road: Road) -> None:
    backlog = Backlog(road.sender)
    road.send(1000)
    road.sender.close()
    assert road.sent - backlog() < 0
