"""Waking the loop that takes messages, when a slot is free again.

A worker whose slots are full asks Redis for no message (``worker_disable_prefetch``) and sleeps. In
the prefork pool a result arrives on a pipe, which wakes it. In a pool of threads, or of greenlets,
nothing arrives anywhere: the message that is done with would wait to be acknowledged, and the free
slot for work, until a timer wakes the loop, half a second later or more.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from kombu.transport.redis import MultiChannelPoller

_BELL = "BELL"


class WakeablePoller(MultiChannelPoller):  # type: ignore[misc]
    """kombu's poller for Redis, with a bell beside the connections that it listens to."""

    def __init__(self) -> None:
        super().__init__()
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._listener = 0

    def hear(self, channel: Any) -> None:
        """Listen to the bell from now on. For the thread that takes messages."""
        if self._bell is not None:
            return
        self._listener = threading.get_ident()
        self._bell = heard, rung = socket.socketpair()
        heard.setblocking(False)
        rung.setblocking(False)
        self._fd_to_chan[heard.fileno()] = channel, _BELL
        self.poller.register(heard, self.eventflags)

    def ring(self) -> None:
        """Have the loop look again whether it may take a message. For any thread."""
        bell = self._bell  # the loop may close it meanwhile
        if bell is not None and threading.get_ident() != self._listener:
            # Full, it has been rung often enough; closed, the loop is there no more.
            with contextlib.suppress(OSError):
                bell[1].send(b"!")

    def on_readable(self, fileno: int) -> None:
        """Read a connection, or the bell, which has nothing to say."""
        if self._bell is None or fileno != self._bell[0].fileno():
            super().on_readable(fileno)
            return
        with contextlib.suppress(OSError):
            self._bell[0].recv(4096)

    def close(self) -> None:
        """Listen to nothing any more."""
        bell, self._bell = self._bell, None
        super().close()
        for end in bell or ():
            with contextlib.suppress(KeyError, ValueError, OSError):
                self.poller.unregister(end)
            end.close()
