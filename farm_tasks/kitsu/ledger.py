"""What an operation of several steps has done already, so that it can be gone on with.

Kitsu has no idempotency key: a comment that is posted again is there twice. So each step is noted
before it is tried and after it is done, and one that was tried and never heard of again is looked
up in Kitsu first. The worker keeps its ledger in Redis (:mod:`farm_tasks.worker.ledger`); without
one an operation remembers for as long as it runs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from farm_tasks.errors import (
    BadResponse,
    Cancelled,
    FarmTasksError,
    ServerError,
    TemporaryFailure,
    Unsettled,
)

SETTLING = 5.0
"""Seconds for which Kitsu may go on with a request whose connection has broken."""

SETTLING_AFTER_SILENCE = 60.0
"""The same where it, or the proxy in front of it, was too slow to answer."""

_TRYING = "trying"
_FAILED = "failed"
_DONE = "done"


class Ledger(Protocol):
    """A memory of steps, by name.

    Attributes:
        survives: Whether a later call with the same ledger can go on from it.
    """

    survives: bool

    def read(self, step: str) -> dict[str, Any] | None:
        """What was noted of a step, or None."""

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """Note what is known of a step: JSON-safe, and kept before this returns."""

    def erase(self, step: str) -> None:
        """Forget a step: it did not happen, or was undone."""

    def now(self) -> float:
        """Seconds, on one clock for all who may ever hold this ledger."""

    def claim(self, entity: str) -> bool:
        """Say that what has this id in Kitsu was made here; False if another ledger said so."""

    def alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Keep others out who ask for the same ``what``, from any machine.

        Raises:
            Busy: another one has been inside for too long to wait here.
        """


class Memory:
    """A ledger for one call, where no other is given."""

    survives = False

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, Any]] = {}

    def read(self, step: str) -> dict[str, Any] | None:
        """See :class:`Ledger`."""
        return self._steps.get(step)

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """See :class:`Ledger`."""
        self._steps[step] = facts

    def erase(self, step: str) -> None:
        """See :class:`Ledger`."""
        self._steps.pop(step, None)

    def now(self) -> float:
        """See :class:`Ledger`."""
        return time.time()

    def claim(self, entity: str) -> bool:
        """See :class:`Ledger`."""
        return True

    def alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """See :class:`Ledger`."""
        return contextlib.nullcontext()


class Part:
    """The steps of one of several like things, apart from those of the others.

    Args:
        whole: The ledger that they are kept in.
        name: What sets them apart.
    """

    def __init__(self, whole: Ledger, name: str) -> None:
        self._whole = whole
        self._name = name
        self.survives = whole.survives
        self.now = whole.now
        self.claim = whole.claim
        self.alone = whole.alone

    def read(self, step: str) -> dict[str, Any] | None:
        """See :class:`Ledger`."""
        return self._whole.read(f"{self._name}.{step}")

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """See :class:`Ledger`."""
        self._whole.write(f"{self._name}.{step}", facts)

    def erase(self, step: str) -> None:
        """See :class:`Ledger`."""
        self._whole.erase(f"{self._name}.{step}")


def once(
    ledger: Ledger,
    step: str,
    do: Callable[[], Any],
    look: Callable[[dict[str, Any]], Any],
    before: Callable[[], dict[str, Any]] = dict,
    settling: float = SETTLING,
) -> Any:
    """Do a step unless it was done; if it may have been, look before doing it again.

    Args:
        ledger: Where it is kept.
        step: Its name there.
        do: Does it, and returns something JSON-safe and not None.
        look: Finds in Kitsu what an earlier try has done, given what ``before`` returned then.
            Returns what ``do`` would have, or None if there is nothing. Asked only when Kitsu has
            had its time: before that it might see half of it.
        before: What ``look`` will have to know of Kitsu as it was before the first try.
        settling: Seconds for which Kitsu may go on with what it was asked, without us.

    Returns:
        What ``do`` returned, now or earlier, or what ``look`` found.

    Raises:
        Unsettled: an earlier try left no trace yet, and still may.
        FarmTasksError: what ``do`` or ``look`` raises.
    """
    facts = ledger.read(step)
    if facts is not None and facts["state"] == _DONE:
        return facts["result"]
    if facts is not None:
        if facts["state"] == _TRYING:
            # Whoever tried it died without a word, perhaps just now: Kitsu gets its time from here.
            facts = note_failed(ledger, step, facts["before"], settling)
        left = facts["until"] - ledger.now()
        if left > 0:
            raise Unsettled("Kitsu may still be busy with the last try.", left)
        found = look(facts["before"])
        if found is not None:
            return _note_done(ledger, step, found)
    known = before() if facts is None else facts["before"]
    ledger.write(step, {"state": _TRYING, "before": known})
    try:
        result = do()
    except FarmTasksError as error:
        if had_no_effect(error):
            ledger.erase(step)
        else:
            slow = isinstance(error, TemporaryFailure) and error.server_may_go_on
            note_failed(ledger, step, known, settling + SETTLING_AFTER_SILENCE * slow)
        raise
    return _note_done(ledger, step, result)


def is_done(ledger: Ledger, step: str) -> Any:
    """The result of a step that was done, else None."""
    facts = ledger.read(step)
    return facts["result"] if facts is not None and facts["state"] == _DONE else None


def had_no_effect(error: FarmTasksError) -> bool:
    """Whether the request that failed has certainly changed nothing.

    Kitsu refuses before it acts (400, 401, 403, 404, 413, 422, 429), but fails (500) in the
    middle, and of what got no answer nothing is known.
    """
    if isinstance(error, TemporaryFailure):
        return error.nothing_happened
    return not isinstance(error, (ServerError, BadResponse, Cancelled))


def note_failed(
    ledger: Ledger, step: str, before: dict[str, Any], settling: float = 0.0
) -> dict[str, Any]:
    """Note that a step may have happened, or may yet within ``settling`` seconds."""
    facts = {"state": _FAILED, "before": before, "until": ledger.now() + settling}
    ledger.write(step, facts)
    return facts


def _note_done(ledger: Ledger, step: str, result: Any) -> Any:
    ledger.write(step, {"state": _DONE, "result": result})
    return result
