"""How much of what a socket has taken is not read at the other end yet.

A kernel takes bytes long before they are anywhere: what waits to be sent, what is on its way, and
what the receiver's kernel holds for a process that is slow to read. The first two the sender's
kernel knows. The third shows in the window that the receiver grants (RFC 9293 3.8.6): it narrows by
what lies unread.
"""

from __future__ import annotations

import socket
import struct
import sys

_SIOCOUTQ = 0x5411  # linux/sockios.h: bytes not yet acknowledged, sent or not
_SO_NWRITE = 0x1024  # macOS, sys/socket.h: the same
_SND_WND = struct.Struct("=228xI")  # linux/tcp.h: tcpi_snd_wnd of tcp_info, since Linux 5.4


class Backlog:
    """The bytes between a socket and the reader at the other end.

    An estimate that errs to the safe side: a window that narrows for want of memory counts as
    unread bytes. Where the system tells nothing, it is 0.

    Args:
        sock: A connected TCP socket, also one that speaks TLS.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._widest = 0

    def __call__(self) -> int:
        """The number of bytes, now."""
        try:
            return self._unacknowledged() + self._unread()
        except OSError:
            return 0  # the connection is gone, and sending will say so

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
        if sys.platform != "linux":
            return 0
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SND_WND.size)
        if len(info) < _SND_WND.size:
            return 0
        window: int = _SND_WND.unpack(info)[0]
        self._widest = max(self._widest, window)
        return self._widest - window
