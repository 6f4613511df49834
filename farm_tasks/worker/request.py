"""A message in the worker's main process, as Celery handles it; and how it is terminated."""

from __future__ import annotations

import logging
import signal as signals
from typing import Any

from celery.worker.request import Request

from farm_tasks.worker.logs import of_task

logger = logging.getLogger(__name__)


class TransferRequest(Request):  # type: ignore[misc]
    """Celery's, whose terminate lets a transfer clean up after itself."""

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End the transfer, as Flower's button and ``celery control terminate`` do.

        The wish to cancel is noted by now (see the backend's ``mark_as_revoked``), and ends it
        within a second in every pool: the connection is cut, the partial file and the empty preview
        are removed, REVOKED is stored. A signal would only keep it from that. SIGKILL is for what
        hangs all the same; it takes the process, and nothing is cleaned up.
        """
        if signal is not None and int(signal) == getattr(signals, "SIGKILL", 9):
            super().terminate(pool, signal)
        else:
            logger.info("%s is told to stop.", self.id, extra=of_task(self.id, self.name))
