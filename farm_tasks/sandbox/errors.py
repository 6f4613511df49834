"""The one error that the sandbox raises."""

from __future__ import annotations


class SandboxError(RuntimeError):
    """The sandbox could not be installed, started, found or stopped."""
