"""The page of a batch."""

from __future__ import annotations

from typing import Any


def handlers() -> list[tuple[str, type[Any]]]:
    """What Flower is to serve besides its own: patterns of paths, and their handlers."""
    return []
