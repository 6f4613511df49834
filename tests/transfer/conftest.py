"""Sessions of little patience, and files to send."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_tasks.transfer.progress import ProgressCallback
from farm_tasks.transfer.session import Limits, TransferSession

IMPATIENT = Limits(
    connect_timeout=2.0,
    read_timeout=2.0,
    rate_window=1.0,
    processing_timeout=5.0,
    resumes=4,
)
"""Long enough for a busy machine, short enough for a test."""

OpenSession = Callable[..., TransferSession]


@pytest.fixture
def open_session() -> Iterator[OpenSession]:
    """Make sessions that are closed, connections and all, when the test ends."""
    sessions = []

    def open_one(
        progress: ProgressCallback | None = None, limits: Limits = IMPATIENT
    ) -> TransferSession:
        session = TransferSession(progress, limits=limits)
        sessions.append(session)
        return session

    yield open_one
    for session in sessions:
        session.close()


@pytest.fixture
def session(open_session: OpenSession) -> TransferSession:
    """A session that reports to nobody."""
    return open_session()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """A file of 3 MiB and a bit, so that no piece fits evenly."""
    path = tmp_path / "shot_010.mov"
    path.write_bytes(os.urandom(3 * 1024 * 1024 + 17))
    return path
