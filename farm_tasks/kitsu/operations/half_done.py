"""What to say of something that stopped between two steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from farm_tasks.errors import FarmTasksError, stopped_after
from farm_tasks.kitsu.ledger import Ledger


@contextlib.contextmanager
def remembering(ledger: Ledger, done: str) -> Iterator[None]:
    """Tell with an error what was done before it, unless the ledger remembers that for a retry.

    Raises:
        HalfDone, Cancelled: instead of the error.
    """
    try:
        yield
    except FarmTasksError as error:
        if ledger.survives:
            raise
        raise stopped_after(done, error) from error
