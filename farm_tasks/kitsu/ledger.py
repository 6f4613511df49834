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

DIGESTING = 50e6
"""Bytes per second at which Kitsu stores what it was sent, at the least: it copies it twice."""

STEP_DONE = "step_done"
"""A step was not tried, because it is done."""

FOUND = "found"
"""A step was not tried again, because Kitsu has what the last try did."""

PROCESSED = "processed"
"""Seconds that Kitsu took for a movie, from the end of its upload."""

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

    def steps(self) -> list[str]:
        """The names of all steps that are noted."""

    def now(self) -> float:
        """Seconds, on one clock for all who may ever hold this ledger."""

    def claim(self, entity: str) -> bool:
        """Say that what has this id in Kitsu was made here; False if another ledger said so."""

    def has_claimed(self, entity: str) -> bool:
        """Whether this ledger has said so of what has this id."""

    def observe(self, what: str, amount: float = 1.0) -> None:
        """Hear of what farms count: :data:`STEP_DONE`, :data:`FOUND`, :data:`PROCESSED`."""

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
        self._claimed: set[str] = set()

    def read(self, step: str) -> dict[str, Any] | None:
        """See :class:`Ledger`."""
        return self._steps.get(step)

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """See :class:`Ledger`."""
        self._steps[step] = facts

    def erase(self, step: str) -> None:
        """See :class:`Ledger`."""
        self._steps.pop(step, None)

    def steps(self) -> list[str]:
        """See :class:`Ledger`."""
        return list(self._steps)

    def now(self) -> float:
        """See :class:`Ledger`."""
        return time.time()

    def claim(self, entity: str) -> bool:
        """See :class:`Ledger`."""
        self._claimed.add(entity)
        return True

    def has_claimed(self, entity: str) -> bool:
        """See :class:`Ledger`."""
        return entity in self._claimed

    def observe(self, what: str, amount: float = 1.0) -> None:
        """See :class:`Ledger`."""

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
        self.has_claimed = whole.has_claimed
        self.alone = whole.alone
        self.observe = whole.observe

    def read(self, step: str) -> dict[str, Any] | None:
        """See :class:`Ledger`."""
        return self._whole.read(f"{self._name}.{step}")

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """See :class:`Ledger`."""
        self._whole.write(f"{self._name}.{step}", facts)

    def erase(self, step: str) -> None:
        """See :class:`Ledger`."""
        self._whole.erase(f"{self._name}.{step}")

    def steps(self) -> list[str]:
        """See :class:`Ledger`."""
        start = f"{self._name}."
        return [one.removeprefix(start) for one in self._whole.steps() if one.startswith(start)]


def once(
    ledger: Ledger,
    step: str,
    do: Callable[[], Any],
    look: Callable[[dict[str, Any]], Any],
    about: list[Any],
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
        about: What the step depends on, JSON-safe. A submission may run again with other arguments:
            what was noted of a step about something else is forgotten.
        before: What ``look`` will have to know of Kitsu as it was before the first try.
        settling: Seconds for which Kitsu may go on with what it was asked, without us.

    Returns:
        What ``do`` returned, now or earlier, or what ``look`` found.

    Raises:
        Unsettled: an earlier try left no trace yet, and still may.
        FarmTasksError: what ``do`` or ``look`` raises.
    """
    facts = ledger.read(step)
    if facts is not None and facts["about"] != about:
        facts = None
    if facts is not None and facts["state"] == _DONE:
        ledger.observe(STEP_DONE)
        return facts["result"]
    if facts is not None:
        if facts["state"] == _TRYING:
            # Whoever tried it died without a word, perhaps just now: Kitsu gets its time from here.
            facts = note_failed(ledger, step, about, facts["before"], settling)
        left = facts["until"] - ledger.now()
        if left > 0:
            raise Unsettled("Kitsu may still be busy with the last try.", left)
        found = look(facts["before"])
        if found is not None:
            ledger.observe(FOUND)
            return _note_done(ledger, step, about, found)
    known = before() if facts is None else facts["before"]
    ledger.write(step, {"state": _TRYING, "about": about, "before": known})
    try:
        result = do()
    except FarmTasksError as error:
        if not had_no_effect(error):
            slow = isinstance(error, TemporaryFailure) and error.server_may_go_on
            note_failed(ledger, step, about, known, settling + SETTLING_AFTER_SILENCE * slow)
        elif facts is None:
            ledger.erase(step)
        else:
            ledger.write(step, facts)  # of an earlier try it is still not known
        raise
    return _note_done(ledger, step, about, result)


def settling_of(size: int) -> float:
    """Seconds for which Kitsu may go on with a request of ``size`` bytes of files."""
    return SETTLING + size / DIGESTING


def is_done(ledger: Ledger, step: str, about: list[Any] | None = None) -> Any:
    """The result of a step that was done (about this, if it is said), else None."""
    facts = ledger.read(step)
    if facts is None or facts["state"] != _DONE or (about is not None and facts["about"] != about):
        return None
    return facts["result"]


def had_no_effect(error: FarmTasksError) -> bool:
    """Whether the request that failed has certainly changed nothing.

    Kitsu refuses before it acts (400, 401, 403, 404, 413, 422, 429), but fails (500) in the
    middle, and of what got no answer nothing is known.
    """
    if isinstance(error, TemporaryFailure):
        return error.nothing_happened
    return not isinstance(error, (ServerError, BadResponse, Cancelled))


def note_failed(
    ledger: Ledger, step: str, about: list[Any], before: dict[str, Any], settling: float = 0.0
) -> dict[str, Any]:
    """Note that a step may have happened, or may yet within ``settling`` seconds."""
    until = ledger.now() + settling
    facts = {"state": _FAILED, "about": about, "before": before, "until": until}
    ledger.write(step, facts)
    return facts


def _note_done(ledger: Ledger, step: str, about: list[Any], result: Any) -> Any:
    ledger.write(step, {"state": _DONE, "about": about, "result": result})
    return result
