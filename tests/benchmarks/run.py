"""What a run of the benchmark is given, and what it says while it goes on."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        full: Whether it may take long; a short one has some minutes for all sections together.
        folder: Empty, a section's own, for logs and for Redis; on a disk.
    """

    full: bool
    folder: Path

    def tell(self, text: str) -> None:
        """Say what is done now, on a line that the next one overwrites."""
        if sys.stderr.isatty() and not os.environ.get("CI"):
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
