"""A reverse proxy between workers and Kitsu, on which requests are held, refused and lost.

It behaves as nginx does: a connection to Kitsu for each request, 502 where Kitsu cannot be
reached or goes away. What no plan is for passes untouched.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.chaos.phases import AFTER_THE_ANSWER, STATUS_OF, Fault, Phase, Plan, Plans, Step
from tests.chaos.wire import Head, Peer

LONGEST_HOLD = 150.0
"""Seconds: a test that forgets to let go does not hang for ever."""


class _Ended(Exception):
    """The connection of this client is done with, but for what is still to be kept silent."""

    def __init__(self, silence: Plan | None = None) -> None:
        self.silence = silence


class Road:
    """Serves on 127.0.0.1 until :meth:`stop`.

    Args:
        kitsu: Where Kitsu is.

    Attributes:
        plans: What happens to whom.
        url: What goes into ``KITSU_HOST``.
    """

    def __init__(self, kitsu: str) -> None:
        where = urlsplit(kitsu)
        assert where.hostname and where.port  # noqa: PT018
        self._kitsu = (where.hostname, where.port)
        self.plans = Plans()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._clients: set[Peer] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.plans.release(Fault.HOLD, Fault.STALL)
        self.cut_all()

    def cut_all(self) -> None:
        """Cut every connection of every worker at once."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            # Closed by its own thread: or else that would go on with another file's number.
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                client = Peer(connection)
                with self._lock:
                    self._clients.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Peer) -> None:
        try:
            while (head := client.read_head()) is not None:
                with contextlib.closing(_Upstream(self._kitsu, client)) as kitsu:
                    self._pass_on(client, kitsu, head)
        except _Ended as ended:
            if ended.silence is not None:
                _keep_silent(client, ended.silence)
        except OSError:
            pass
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _pass_on(self, client: Peer, kitsu: _Upstream, head: Head) -> None:
        """Take one request to Kitsu, and the answer back."""
        line = head.first.rpartition(" ")[0]
        body = client.read_all(head.length) if self.plans.is_comment(line) else b""
        step = self.plans.recognise(line, body)
        if step is None:
            kitsu.send(head.raw + body)
            _pump(client, kitsu, head.length - len(body))
            answer = kitsu.read_head()
            client.send(answer.raw)
            kitsu.pump_back(answer.length)
            return
        with self.plans.noting_upload(line):
            if Phase.HALF_WAY in step.before:
                self._upload(client, kitsu, step, head)
            else:
                body = body or client.read_all(head.length)
                self._strike(client, step, step.before[0])
                kitsu.send(head.raw + body)
            answer = kitsu.read_head()
            content = kitsu.read_all(answer.length)
        self.plans.learn(line, step, answer.status, content)
        if step.after is not None:
            self._strike(client, step, step.after)
        client.send(answer.raw + content)

    def _upload(self, client: Peer, kitsu: _Upstream, step: Step, head: Head) -> None:
        """Send an upload, with what is planned for it on the way."""
        self._strike(client, step, Phase.FIRST_BYTE)
        kitsu.send(head.raw)
        half, held_back = self.plans.cuts_of(step, head.length)
        _pump(client, kitsu, half)
        self._strike(client, step, Phase.HALF_WAY)
        _pump(client, kitsu, head.length - half - held_back)
        last = client.read_all(held_back)
        self._strike(client, step, Phase.LAST_BYTE)
        kitsu.send(last)

    def _strike(self, client: Peer, step: Step, phase: Phase) -> None:
        """Do what is planned for this phase, if anything is.

        Raises:
            _Ended: the request goes no further.
        """
        plan = self.plans.claim(step, phase)
        if plan is None:
            return
        if plan.fault is Fault.HOLD:
            plan.go.wait(LONGEST_HOLD)
            if not plan.is_dropped or phase in AFTER_THE_ANSWER:
                return
        elif plan.fault in STATUS_OF:
            client.answer(STATUS_OF[plan.fault], None if plan.fault is Fault.TOO_LARGE else 1)
            client.drain()
        elif plan.fault is Fault.RESET:
            client.reset()
        raise _Ended(plan if plan.fault is Fault.STALL else None)


class _Upstream:
    """The connection to Kitsu for one request, made when there is something to send."""

    def __init__(self, address: tuple[str, int], client: Peer) -> None:
        self._address = address
        self._client = client
        self._peer: Peer | None = None

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()

    def send(self, data: bytes) -> None:
        if self._peer is None:
            try:
                self._peer = Peer(socket.create_connection(self._address, timeout=LONGEST_HOLD))
            except OSError:
                raise self._refusal() from None
        try:
            self._peer.send(data)
        except OSError:
            # It may have refused before it had read all.
            answer = self.read_head()
            self._client.send(answer.raw + self.read_all(answer.length))
            self._client.drain()
            raise _Ended from None

    def read_head(self) -> Head:
        assert self._peer is not None
        with contextlib.suppress(OSError):
            head = self._peer.read_head()
            if head is not None:
                return head
        raise self._refusal()

    def read_all(self, size: int) -> bytes:
        assert self._peer is not None
        with contextlib.suppress(OSError):
            return self._peer.read_all(size)
        raise self._refusal()

    def pump_back(self, size: int) -> None:
        """An answer of any size, as it comes."""
        assert self._peer is not None
        while size:
            piece = self._peer.read(size)
            self._client.send(piece)
            size -= len(piece)

    def _refusal(self) -> _Ended:
        """Kitsu is not there: say what nginx says then."""
        self._client.answer(502)
        self._client.drain()
        return _Ended()


def _pump(client: Peer, kitsu: _Upstream, size: int) -> None:
    while size:
        piece = client.read(size)
        kitsu.send(piece)
        size -= len(piece)


def _keep_silent(client: Peer, plan: Plan) -> None:
    """Read nothing, say nothing, until the client gives up or the plan is let go.

    It cannot be heard giving up where the road is full of what it has sent.
    """
    ear = select.poll()
    ear.register(client.socket, select.POLLRDHUP)
    while not plan.go.is_set() and not ear.poll(200):
        pass


@contextlib.contextmanager
def running_road(kitsu: str) -> Iterator[Road]:
    road = Road(kitsu)
    try:
        yield road
    finally:
        road.stop()
