"""Reading more than one record of TLS at a time.

One read of TLS brings one record, 16 KiB at the most (RFC 8446 5.1), however much has arrived. On
its way through http.client and urllib3 each costs more than what OpenSSL does with it.
"""

from __future__ import annotations

import http.client
import io
import ssl
import time
from typing import Any

from urllib3.util import wait_for_read

RECORD_BYTES = 16 * 1024

GATHERING_SECONDS = 0.005
"""So long the first bytes of a read wait for more at most, which figures are late by."""


class Records(io.RawIOBase):
    """What a socket of TLS brings, as many records at once as are there.

    Args:
        sock: The socket.
        raw: Reads from it, and holds it open: what its ``makefile`` made.
    """

    def __init__(self, sock: ssl.SSLSocket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._socket = sock
        self._raw = raw
        self._error: OSError | None = None

    def readable(self) -> bool:
        """Whether it can be read from: yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for the first record, and take what comes within :data:`GATHERING_SECONDS`.

        No longer, nor for a whole record: what comes slowly is returned as it comes. A read for
        less than a record, as of a head, waits for nothing more at all.

        Returns:
            The number of bytes; 0 at the end.

        Raises:
            OSError: what reading the socket raises, once what came before has been returned.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        view = memoryview(buffer)
        count = self._raw.readinto(view)
        if count and len(view) > RECORD_BYTES:
            count += self._gather(view[count:])
        return count

    def _gather(self, view: memoryview) -> int:
        until = time.monotonic() + GATHERING_SECONDS
        count = 0
        patience = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            while count < len(view):
                try:
                    more = self._socket.recv_into(view[count:])
                except ssl.SSLWantReadError:
                    left = until - time.monotonic()
                    if left <= 0 or not wait_for_read(self._socket, left):
                        break
                    continue
                if not more:
                    break  # and the next read says so again
                count += more
        except ssl.SSLWantWriteError:
            pass  # a handshake within the body: the next read may wait for it
        except OSError as error:
            self._error = error
        finally:
            self._socket.settimeout(patience)
        return count

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class TLSResponse(http.client.HTTPResponse):
    """An answer that is read so. Of what is no socket of Python's, as http.client does."""

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        if isinstance(sock, ssl.SSLSocket):
            # Python's own buffer is larger than a record since 3.14: each head would be gathered.
            self.fp = io.BufferedReader(Records(sock, self.fp.detach()), RECORD_BYTES)
