"""The end of a read that waits for bytes which do not come fast enough.

A read of several records of TLS comes back when all of it is there, and each record begins the
socket's timeout anew: a server that says a word now and then would keep it for hours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Overdue:
    """Cuts the connection that a read has waited on for too long. Made for one answer.

    Args:
        seconds: How long a read may take.
        cut: Ends what waits for the network, from any thread.
    """

    def __init__(self, seconds: float, cut: Callable[[], object]) -> None:
        self._seconds = seconds
        self._cut = cut
        self._lock = threading.Lock()
        self._since: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Note that a read begins. The first one starts the thread that looks after them."""
        with self._lock:
            self._since = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="farm-tasks-overdue", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Note that it has come back."""
        with self._lock:
            self._since = None

    def close(self) -> None:
        """Look after no read any more."""
        self.end()
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._seconds / 4):
            # Under the lock: what is read after that is not to be cut.
            with self._lock:
                if self._since is not None and time.monotonic() - self._since > self._seconds:
                    self._cut()
                    return
