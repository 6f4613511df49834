"""Making a TCP connection, in a way that the end of a transfer is heard meanwhile.

A host that swallows packets lets connect(2) wait for its whole timeout, and a name server that is
away lets a look-up wait for half a minute.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from urllib3.util import wait_for_write
from urllib3.util.connection import allowed_gai_family

SLICE = 0.25
"""Seconds until an end is heard, at most."""

_UNDER_WAY = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY}


def dial(
    address: tuple[str, int],
    timeout: float | None,
    source_address: tuple[str, int] | None,
    options: Sequence[tuple[int, int, int | bytes]],
    check: Callable[[], None],
) -> socket.socket:
    """Connect to the first of an address's hosts that answers, as urllib3's create_connection does.

    Args:
        address: Host and port.
        timeout: Seconds for each host, and then of the socket; None for no limit.
        source_address: Where to connect from, or None.
        options: Of the socket, set before connecting.
        check: Raises when the connection is not wanted any more.

    Raises:
        socket.gaierror: the name is not known.
        TimeoutError: nobody answered in time.
        OSError: nobody took the connection.
        Exception: what ``check`` raises.
    """
    failure = OSError("getaddrinfo returns an empty list")
    for family, kind, protocol, _, where in _look_up(*address, check):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            for option in options:
                sock.setsockopt(*option)
            if source_address:
                sock.bind(source_address)
            _connect(sock, where, timeout, check)
            sock.settimeout(timeout)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return sock
    raise failure


def _connect(
    sock: socket.socket, where: Any, timeout: float | None, check: Callable[[], None]
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    sock.setblocking(False)
    check()
    code = sock.connect_ex(where)
    if code in _UNDER_WAY or (sys.platform == "win32" and code == errno.WSAEWOULDBLOCK):
        while not wait_for_write(sock, timeout=SLICE):
            check()
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError("timed out")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _look_up(host: str, port: int, check: Callable[[], None]) -> list[Any]:
    """The host's addresses. Asked for in a thread of its own, which cannot be told to stop."""
    outcome: list[list[Any]] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(
                host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM
            )
            outcome.append(found)
        except Exception as error:
            failure.append(error)

    check()
    thread = threading.Thread(target=ask, name="farm-tasks-look-up", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SLICE)
        check()
    if failure:
        raise failure[0]
    return outcome[0]
