"""Waiting until Kitsu has processed a movie, which it does in a job of its own."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import entity_id
from farm_tasks.errors import BrokenMovie, EntityNotFound, NotAllowed, StillProcessing
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.ledger import PROCESSED, Ledger
from farm_tasks.kitsu.operations.filling import forget_preview
from farm_tasks.transfer.progress import ProgressCallback, announce, check

POLL = 2.0
"""Seconds between two looks whether Kitsu has processed a movie."""

LONGEST_WAIT = 120.0
"""Seconds. Kitsu took 86 s for a movie of 461 MB; its queue may be long at the end of a night, and
then a later try waits on, so that this slot moves something meanwhile."""

_WAITING = "waiting"


def ready(
    ledger: Ledger, preview: str, client: KitsuClient | None, progress: ProgressCallback | None
) -> dict[str, Any]:
    """The preview, once Kitsu has processed it.

    Raises:
        BrokenMovie: it cannot.
        EntityNotFound: somebody has deleted it; or an earlier try has, which ended right then.
        StillProcessing: it has not yet.
    """
    announce(progress, "waiting for Kitsu")
    preview = entity_id("preview_file", preview)
    began = _began(ledger, preview)
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        try:
            with calling(client) as kitsu:
                found: dict[str, Any] = gazu.files.get_preview_file(preview, client=kitsu)
        except EntityNotFound:
            forget_preview(ledger)
            raise
        if found["status"] == "ready":
            ledger.observe(PROCESSED, max(0.0, ledger.now() - began))
            return found
        if found["status"] in {"broken", "missing"}:
            with contextlib.suppress(NotAllowed), calling(client) as kitsu:
                gazu.files.remove_preview_file(preview, force=True, client=kitsu)
            forget_preview(ledger)
            raise BrokenMovie(
                f"Kitsu could not process the movie: preview {preview} was {found['status']}. "
                "Does the movie play? Publish it again when it does."
            )
        _pause(POLL, progress)
    raise StillProcessing(f"Kitsu has not processed preview {preview} yet.", POLL)


def _began(ledger: Ledger, preview: str) -> float:
    """When this preview was first waited for, which is when its upload had ended."""
    noted = ledger.read(_WAITING)
    if noted is None or noted["preview"] != preview:
        noted = {"preview": preview, "since": ledger.now()}
        ledger.write(_WAITING, noted)
    return float(noted["since"])


def _pause(seconds: float, progress: ProgressCallback | None) -> None:
    """Wait, listening for a cancel."""
    wake_at = time.monotonic() + seconds
    while (left := wake_at - time.monotonic()) > 0:
        check(progress)
        time.sleep(min(left, 0.25))
    check(progress)
