"""The SHA-256 of a file, computed while its bytes go over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from farm_tasks.confinement import current

PIECE = 1024 * 1024
"""Bytes that are read at a time. hashlib lets other threads run meanwhile."""


@contextlib.contextmanager
def digesting(path: str) -> Iterator[Callable[[], str]]:
    """Compute the digest of a file beside what the block does.

    The file is read twice, the second time from the page cache; the upload waits for neither.

    Args:
        path: The file. Under a :class:`~farm_tasks.confinement.Confinement` it is opened as that
            demands.

    Yields:
        What waits for the end and returns the digest: 64 hex digits.

    Raises:
        FarmTasksError: it cannot be opened.
    """
    wanted = threading.Event()
    wanted.set()
    with _opened(path) as descriptor, ThreadPoolExecutor(1, "digest") as thread:
        future = thread.submit(_digest, descriptor, wanted)
        try:
            yield future.result
        finally:
            wanted.clear()  # before the executor waits for its thread


def _digest(descriptor: int, wanted: threading.Event) -> str:
    digest = hashlib.sha256()
    # Nobody else reads through this descriptor.
    while wanted.is_set() and (piece := os.read(descriptor, PIECE)):
        digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    confined = current()
    if confined is not None:
        with confined.opened(path) as descriptor:
            yield descriptor
        return
    with open(path, "rb", buffering=0) as file:  # binary, also on Windows
        yield file.fileno()
