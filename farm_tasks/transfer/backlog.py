"""How much of what a socket has taken is not read at the other end yet.

A kernel takes bytes long before they are anywhere: what waits to be sent, what is on its way, and
what the receiver's kernel holds for a process that is slow to read. The first two the sender's
kernel knows. The third shows in the window that the receiver grants (RFC 9293 3.8.6): it narrows by
what lies unread. Not by all of it: Linux counts the memory of packets and not their bytes, so it
has room for more than it grants, and while it learns that (``tcp_grow_window``) it takes what is
sent and grants more at once.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time

_SIOCOUTQ = 0x5411  # linux/sockios.h: bytes not yet acknowledged, sent or not
_SO_NWRITE = 0x1024  # macOS, sys/socket.h: the same
_TCP_INFO = struct.Struct("=56xI60xQ100xI")
"""linux/tcp.h: tcpi_last_ack_recv (milliseconds since then), tcpi_bytes_acked and tcpi_snd_wnd of
tcp_info, since Linux 5.4."""

_UNSEEN_BYTES = 2 * 1024 * 1024
"""At most this lies unread beyond what the window has narrowed by. Where a server read 50 MB/s of
what loopback gave it, it was up to once more, but for what was taken while the window grew."""

_UNSEEN_SECONDS = 0.1
"""Nor more than comes in so long: at 1 MB/s it is no megabyte, and a bar is not to be late by one.
"""

_GROWTH_SECONDS = 0.25
"""So long after the window has grown, what was taken meanwhile may still lie unread: a window can
grow by 3 MiB and be half filled within a millisecond, in which nobody reads."""


class Backlog:
    """The bytes between a socket and the reader at the other end.

    An estimate that errs to the safe side: a window that narrows for want of memory counts as
    unread bytes. Where the system tells nothing, it is 0.

    Args:
        sock: A connected TCP socket, also one that speaks TLS.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._acknowledged = self._widest = self._window = self._grown = self._last = 0
        self._grown_at = -_GROWTH_SECONDS
        with contextlib.suppress(OSError):
            # Nothing of an earlier request lies unread any more: it was answered.
            self._acknowledged, self._window, _ = self._info()
            self._widest = self._window
        self._began = time.monotonic(), self._acknowledged

    def __call__(self) -> int:
        """The number of bytes, now. From any thread.

        Once the socket is closed it is more than any, or 0 where the system tells nothing anyway.
        """
        try:
            with self._lock:
                return self._unacknowledged() + self._unread()
        except (OSError, ValueError):
            # The system does not tell. Where there is nothing left to be told of, what has not
            # been seen to arrive is not said to have.
            return 0 if self._socket.fileno() >= 0 else sys.maxsize

    def _unacknowledged(self) -> int:
        if sys.platform == "linux":
            import fcntl  # noqa: PLC0415 (not everywhere)

            answer = fcntl.ioctl(self._socket.fileno(), _SIOCOUTQ, bytes(4))
            return int.from_bytes(answer, sys.byteorder)
        elif sys.platform == "darwin":  # noqa: RET505 (mypy follows the platform only through elif)
            return self._socket.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        else:
            return 0

    def _unread(self) -> int:
        acknowledged, window, heard_at = self._info()
        if (acknowledged, window) == (self._acknowledged, self._window):
            return self._last  # nothing was heard: that time has passed is no sign of a reader
        self._window = window
        if window > self._widest:
            self._grown += min(acknowledged - self._acknowledged, window - self._widest)
            self._grown_at = heard_at
        elif heard_at - self._grown_at > _GROWTH_SECONDS:
            self._grown = 0
        self._acknowledged = acknowledged
        self._widest = max(self._widest, window)
        narrowed = self._widest - window
        began_at, acknowledged_before = self._began
        rate = (acknowledged - acknowledged_before) / max(heard_at - began_at, 1e-6)
        unseen = min(narrowed, _UNSEEN_BYTES, int(rate * _UNSEEN_SECONDS))
        self._last = narrowed + max(unseen, self._grown)
        return self._last

    def _info(self) -> tuple[int, int, float]:
        """Bytes acknowledged so far, the window, and when that was heard.

        That may be long ago: nobody may have asked meanwhile. Zeros where the system does not tell.
        """
        if sys.platform != "linux":
            return 0, 0, 0.0
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        if len(info) < _TCP_INFO.size:
            return 0, 0, 0.0
        milliseconds, acknowledged, window = _TCP_INFO.unpack(info)
        return acknowledged, window, time.monotonic() - milliseconds / 1000
