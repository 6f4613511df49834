"""Connecting: to whom it may, for as long as it may, and only while it is wanted."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from farm_tasks.errors import Cancelled, ConnectionLost, Unreachable
from farm_tasks.transfer.progress import Meter
from farm_tasks.transfer.session import Limits, TransferSession
from tests.servers import LoopbackServer, status
from tests.support.waiting import wait_until
from tests.transfer.conftest import OpenSession

PATIENT = Limits(connect_timeout=60, read_timeout=60)
SOON = 2.0
"""Seconds in which a stop must be heard: 0.25, and what a busy machine takes."""


@pytest.fixture
def full() -> Iterator[socket.socket]:
    """A listener that lets a connect hang, as a firewall that swallows packets does: its queue is
    full, and Linux drops what comes."""
    with contextlib.ExitStack() as at_the_end:
        listener = at_the_end.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        hanging = 0
        while hanging < 2:
            waiting = at_the_end.enter_context(socket.socket())
            waiting.settimeout(0.3)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                hanging += 1
        yield listener


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"


def seconds_to_stop(
    open_session: OpenSession, url: str, is_under_way: Callable[[], object]
) -> float:
    """Stop a request once it is under way, and say how long it went on after that."""
    meter = Meter()
    session = open_session(meter, PATIENT)
    stopped_at: list[float] = []

    def stop() -> None:
        wait_until(is_under_way, 10)
        stopped_at.append(time.monotonic())
        meter.stop(Cancelled("by the artist"))

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled, match="by the artist"):
        session.get(url)
    ended_at = time.monotonic()
    thread.join()
    return ended_at - stopped_at[0]


def is_connecting(listener: socket.socket) -> bool:
    """Whether this process has sent a SYN to it that is not answered (state 02 of proc(5))."""
    port = f":{listener.getsockname()[1]:04X}"
    with open("/proc/self/net/tcp") as table:
        lines = [line.split() for line in table][1:]
    return sum(line[2].endswith(port) and line[3] == "02" for line in lines) > 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_stop_is_heard_while_a_connect_hangs(
    open_session: OpenSession, full: socket.socket, scheme: str
) -> None:
    took = seconds_to_stop(open_session, url_of(full, scheme), lambda: is_connecting(full))
    assert took < SOON


def test_a_stop_ends_a_handshake_that_nobody_answers(
    open_session: OpenSession, silent: socket.socket
) -> None:
    accepted: list[socket.socket] = []

    def has_been_greeted() -> bool:
        if not accepted:
            accepted.append(silent.accept()[0])
        return bool(accepted[0].recv(1))

    took = seconds_to_stop(open_session, url_of(silent, "https"), has_been_greeted)
    accepted[0].close()
    assert took < SOON


def test_a_stop_is_heard_while_a_name_server_is_silent(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        asked.set()
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    took = seconds_to_stop(open_session, "http://kitsu.example/", asked.is_set)
    over.set()
    assert took < SOON


def test_a_connect_that_hangs_ends_at_its_timeout_with_nothing_sent(
    open_session: OpenSession, full: socket.socket
) -> None:
    session = open_session(limits=Limits(connect_timeout=0.3))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="timed out"):
        session.get(url_of(full))
    assert time.monotonic() - began < 5, "two retries and their pauses are in it"


def test_a_handshake_that_nobody_answers_ends_at_its_timeout(
    open_session: OpenSession, silent: socket.socket
) -> None:
    session = open_session(limits=Limits(connect_timeout=0.3, read_timeout=0.3))
    with pytest.raises((Unreachable, ConnectionLost)) as raised:
        session.get(url_of(silent, "https"))
    assert raised.value.retryable


def test_a_refused_connection_is_unreachable(
    session: TransferSession,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = url_of(gone)
    with pytest.raises(Unreachable, match="Connection refused"):
        session.get(url)


def test_a_name_that_nobody_knows_is_unreachable(
    session: TransferSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not asked for in earnest: the question would leave this machine."""

    def unknown(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"kitsu\.invalid.*Name or service not known"):
        session.get("http://kitsu.invalid/")


def test_the_next_address_of_a_name_is_tried(
    session: TransferSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with an IPv6 address and a server that listens on IPv4 only, say."""
    with LoopbackServer(status(200, {})) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()
        gone.close()
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        both = [(*kind, closed), (*kind, ("127.0.0.1", server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: both)
        assert session.get(f"http://kitsu.example:{server.port}/").status_code == 200


def test_a_connection_is_closed_when_it_is_not_wanted_any_more(
    open_session: OpenSession, silent: socket.socket
) -> None:
    """Neither the socket nor the handle that it was cut by may stay open."""
    accepted: list[socket.socket] = []

    def has_been_greeted() -> bool:
        if not accepted:
            accepted.append(silent.accept()[0])
        return bool(accepted[0].recv(1))

    seconds_to_stop(open_session, url_of(silent, "https"), has_been_greeted)
    accepted[0].settimeout(5)
    with contextlib.suppress(ConnectionResetError):
        while accepted[0].recv(4096):
            pass
    accepted[0].close()
