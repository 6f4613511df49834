"""What the publish command makes of the arguments that a farm gives it."""

from __future__ import annotations

from typing import Any

from farm_tasks.cli.publish import publish


def understood(arguments: list[str]) -> dict[str, Any]:
    """The options as ``farm-tasks publish`` reads them; what it does not know fails the test."""
    assert arguments[0] == "publish"
    with publish.make_context("publish", arguments[1:]) as context:
        return {name: value for name, value in context.params.items() if value not in (None, ())}
