"""openjd's own reader of what a command prints."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from openjd.sessions._action_filter import ActionMonitoringFilter


def told_to_openjd(lines: Iterable[str]) -> list[tuple[str, Any]]:
    """What it understands, such as ``("progress", 42.0)``."""
    heard: list[tuple[str, Any]] = []
    reader = ActionMonitoringFilter(
        session_id="one", callback=lambda kind, value, _failed: heard.append((kind.value, value))
    )
    for line in lines:
        record = logging.LogRecord("x", logging.INFO, "", 0, line, None, None)
        record.session_id = "one"
        reader.filter(record)
    return heard
