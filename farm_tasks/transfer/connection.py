"""Connections that listen while they send, and that another thread can cut.

urllib3 sends a body to its end before it looks for an answer, and a thread that waits for a socket
hears of nothing else. Both are mended here, where the socket is at hand.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import Retry, wait_for_read

from farm_tasks.transfer.backlog import Backlog
from farm_tasks.transfer.body import MultipartBody
from farm_tasks.transfer.dial import dial
from farm_tasks.transfer.tls_reading import TLSResponse

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

_NOTSENT_LOWAT_BYTES = 256 * 1024
_TCP_NOTSENT_LOWAT = {"linux": 25, "darwin": 0x201}.get(sys.platform)

_thread = threading.local()


class Wire:
    """The connection that one session uses at the moment.

    Args:
        check: Raises when the transfer is to end; asked before every request.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self._lock = threading.Lock()
        self._connection: _ListeningConnection | None = None
        self._socket: socket.socket | None = None

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Take whatever connection this thread sends on inside the block."""
        before = getattr(_thread, "wire", None)
        _thread.wire = self
        try:
            yield
        finally:
            _thread.wire = before

    def take(self, connection: _ListeningConnection, sock: socket.socket | None) -> None:
        """Note that ``connection`` is this wire's until another one takes it from the pool.

        Args:
            connection: What this wire uses from now on.
            sock: Its socket. Kept apart: http.client lets go of it when the answer says "close".

        Raises:
            Exception: what ``check`` raises.
        """
        with self._lock:
            connection.wire = self
            self._connection = connection
            self._socket = sock
        self.check()  # again: a stop may have come before there was anything to cut

    def release(self, sock: socket.socket) -> None:
        """Close ``sock``, which was taken, while nobody cuts it."""
        with self._lock:
            if self._socket is sock:
                self._socket = None
            sock.close()

    def cut(self) -> None:
        """End what waits for the socket, in whichever thread. Safe to call at any time."""
        with self._lock:
            if (
                self._socket is None
                or self._connection is None
                or self._connection.wire is not self
            ):
                return
            # Not SSLSocket's own: that would take TLS away under a thread that is still sending.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _ListeningConnection(HTTPConnection):
    wire: Wire | None = None
    _is_cut_short = False
    _handle: socket.socket | None = None

    def connect(self) -> None:
        wire: Wire | None = getattr(_thread, "wire", None)
        try:
            super().connect()
        finally:
            if self._handle is not None and wire is not None:
                wire.release(self._handle)
            self._handle = None

    def _new_conn(self) -> socket.socket:
        """As urllib3 has it, with its exceptions, but ready to be ended."""
        wire: Wire | None = getattr(_thread, "wire", None)
        if wire is None:
            return super()._new_conn()
        try:
            self._dns_host.encode("idna")
        except UnicodeError:
            raise LocationParseError(f"'{self._dns_host}', label empty or too long") from None
        try:
            sock = dial(
                (self._dns_host, self.port),
                self.timeout,
                self.source_address,
                self.socket_options or (),
                wire.check,
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(
                self, f"Connection to {self.host} timed out. (connect timeout={self.timeout})"
            ) from error
        except OSError as error:
            raise NewConnectionError(
                self, f"Failed to establish a new connection: {error}"
            ) from error
        sys.audit("http.client.connect", self, self.host, self.port)
        # TLS takes the descriptor away from this socket before its handshake, which may last: what
        # is cut meanwhile is a second handle of the same connection.
        self._handle = sock.dup()
        try:
            wire.take(self, self._handle)
        except BaseException:
            sock.close()
            raise
        return sock

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        wire: Wire | None = getattr(_thread, "wire", None)
        if wire is not None:
            wire.check()
        if self.sock is None:
            self.connect()
        # TLS to a server within TLS to a proxy: urllib3's object lacks what its socket can do.
        sock = getattr(self.sock, "socket", self.sock)
        if wire is not None:
            wire.take(self, sock)
        self._is_cut_short = False
        if isinstance(body, MultipartBody):
            if sock is not None:
                body.backlog = Backlog(sock)
            body = self._until_refused(body)
        try:
            super().request(method, url, body=body, headers=headers, **options)
        except TimeoutError:
            # A server that has refused need not read on.
            self._is_cut_short = self._is_refused()
            if not self._is_cut_short:
                raise
        except (ConnectionError, ssl.SSLError):
            # Nor stay. Over TLS this is where it shows: what was said before the end, if anything
            # was, is still there to be read, and if nothing was, reading it fails the same way.
            self._is_cut_short = self.sock is not None and wait_for_read(self.sock, timeout=0)
            if not self._is_cut_short:
                raise

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 does
        response = super().getresponse()
        if self._is_cut_short and self.sock is not None:
            # What http.client does for "Connection: close": the answer keeps its own handle, and
            # nobody sends a second request after half a body.
            self.sock.close()
            self.sock = None
        return response

    def _until_refused(self, body: MultipartBody) -> Iterator[bytes | memoryview]:
        for piece in body:
            yield piece
            if self._is_refused():
                self._is_cut_short = True
                return

    def _is_refused(self) -> bool:
        """Whether a redirect or an error is there already, so that the rest is sent for nothing.

        Not told over TLS, where one cannot look at an answer without taking it.
        """
        if type(self.sock) is not socket.socket or not wait_for_read(self.sock, timeout=0):
            return False
        try:
            start = self.sock.recv(10, socket.MSG_PEEK)
        except OSError:
            return False  # sending fails in a moment, and urllib3 knows what to make of that
        return start.startswith(b"HTTP/1.") and start[9:] in {b"3", b"4", b"5"}


class _ListeningTLSConnection(_ListeningConnection, HTTPSConnection):
    response_class = TLSResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _ListeningConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _ListeningTLSConnection


class TransferAdapter(HTTPAdapter):
    """Connections whose progress can be believed, kept alive and shared between sessions."""

    def __init__(self, pool_size: int = 32) -> None:
        retries = Retry(
            total=None, connect=2, read=1, status=0, other=0, allowed_methods={"GET", "HEAD"},
            backoff_factor=0.2, raise_on_status=False,
        )  # fmt: skip
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size, max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of our connections."""
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        self._use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The same on the way through a proxy."""
        manager = super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)
        if proxy.lower().startswith("http"):
            self._use_our_pools(manager)
        return manager

    def _use_our_pools(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


def _socket_options() -> list[tuple[int, int, int]]:
    """Bound what the kernel takes ahead of the wire (see ``TCP_NOTSENT_LOWAT`` in tcp(7)).

    Without it up to 4 MiB wait in the send buffer and a bar runs ahead by as much.
    """
    options = [
        *HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    if _TCP_NOTSENT_LOWAT is not None:
        options.append((socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOTSENT_LOWAT_BYTES))
    return options
