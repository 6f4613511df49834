"""What Flower's configuration asks while it is executed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from farm_tasks.errors import NotConfigured


def is_chosen(option: str) -> bool:
    """Whether the environment sets an option of Flower's; the command line wins by itself."""
    return f"FLOWER_{option.upper()}" in os.environ


@contextlib.contextmanager
def end_with_reason() -> Iterator[None]:
    """End Flower with a line, rather than a traceback, when a setting cannot be used."""
    try:
        yield
    except NotConfigured as error:
        sys.exit(f"farm_tasks: {error}")
