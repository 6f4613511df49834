"""Room for gigabytes, given back at once."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMORY = Path("/dev/shm")
_TO_SPARE = 2 * 1024**3


@contextlib.contextmanager
def roomy_folder(otherwise: Path, size: int) -> Iterator[Path]:
    """A folder for ``size`` bytes, in memory if they fit there, else in ``otherwise``."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > size + _TO_SPARE
    folder = Path(tempfile.mkdtemp(prefix="farm-tasks-", dir=_MEMORY if in_memory else otherwise))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
