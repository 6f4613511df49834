"""Where a publish is hurt, and how."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import random
import re
import threading
import uuid
from collections.abc import Iterator

TAG = re.compile(r"chaos-[0-9a-f]{12}")
"""What is unique in the text of each comment, and so tells whose request it is."""


class Phase(enum.StrEnum):
    """The steps of a publish, in their order.

    Those named after what Kitsu made are at the answer: the effect is there, and the worker has
    not heard of it yet.
    """

    QUEUED = "queued"
    COMMENT = "comment"
    COMMENT_MADE = "comment made"
    PREVIEW_ROW = "preview row"
    ROW_MADE = "preview row made"
    FIRST_BYTE = "first byte"
    HALF_WAY = "half-way"
    LAST_BYTE = "last byte sent"
    ANSWER_LOST = "answer lost"
    WAITING = "waiting for ready"
    ACK = "ack"


ON_THE_ROAD = tuple(one for one in Phase if one not in {Phase.QUEUED, Phase.ACK})
"""The phases in which a request is on its way to Kitsu."""

IMPATIENT = (Phase.FIRST_BYTE, Phase.HALF_WAY)
"""Here a worker waits 15 s for its bytes to be taken, no more: they are held last."""

AFTER_THE_ANSWER = frozenset({Phase.COMMENT_MADE, Phase.ROW_MADE, Phase.ANSWER_LOST})

BEFORE_KITSU = tuple(one for one in ON_THE_ROAD if one not in {*AFTER_THE_ANSWER, Phase.LAST_BYTE})
"""The phases in which Kitsu has not got enough to act on: all that a 429 can be the answer to."""


class Fault(enum.StrEnum):
    """What the road does to a request."""

    NONE = "none"
    HOLD = "hold"
    """Say so, and wait for :attr:`Plan.go`; then go on, whoever still listens."""

    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    TOO_MANY = "429"
    TOO_LARGE = "413"
    RESET = "reset"
    LOSE = "answer lost"
    """Close the connection in an orderly way, with no answer."""

    STALL = "stall"
    """Keep the connection and say nothing, until the client gives up."""


STATUS_OF = {
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
    Fault.TOO_MANY: 429,
    Fault.TOO_LARGE: 413,
}


@dataclasses.dataclass
class Plan:
    """What happens to one publish, once.

    Attributes:
        tag: In the text of its comment.
        phase: Where.
        fault: What.
        at: Where in the phase, 0 to 1: how much of the body Kitsu gets before "half-way".
        reached: Set when it happens.
        go: Set to let go of what is held.
        is_dropped: What is held is not delivered at all once it is let go.
    """

    tag: str
    phase: Phase
    fault: Fault = Fault.HOLD
    at: float = 0.5
    is_dropped: bool = False
    reached: threading.Event = dataclasses.field(default_factory=threading.Event)
    go: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __str__(self) -> str:
        where = f"{self.phase} (at {self.at:.0%})" if self.phase is Phase.HALF_WAY else self.phase
        dropped = ", then dropped" if self.is_dropped else ""
        return f"{self.tag}: {self.fault} at {where}{dropped}"


def new_tag(chance: random.Random) -> str:
    """A tag that no other publish has."""
    return f"chaos-{uuid.UUID(int=chance.getrandbits(128)).hex[:12]}"


@dataclasses.dataclass(frozen=True)
class Step:
    """One request, recognised.

    Attributes:
        tag: Whose it is.
        before: The phases that it is in before Kitsu has all of it.
        after: The phase that it is in when Kitsu has answered.
    """

    tag: str
    before: tuple[Phase, ...] = ()
    after: Phase | None = None


_MOST_HELD_BACK = 200

_COMMENT = re.compile(r"POST .*/actions/tasks/[^/]+/comment/?$")
_ROW = re.compile(r"POST .*/comments/([^/]+)/add-preview/?$")
_UPLOAD = re.compile(r"POST .*/pictures/preview-files/([^/?]+)")
_LOOK = re.compile(r"GET .*/data/preview-files/([^/?]+)$")


class Plans:
    """All plans, and which request belongs to which: learnt from Kitsu's own answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plans: dict[str, Plan] = {}
        self._tag_of: dict[str, str] = {}
        self._uploaded: set[str] = set()
        self._uploading: set[str] = set()
        self.overlaps: list[str] = []
        """The preview files that ever got two uploads at once."""

    def add(self, plan: Plan) -> Plan:
        with self._lock:
            self._plans[plan.tag] = plan
        return plan

    def release(self, *faults: Fault) -> None:
        """Let go of all that is held, or of all whose fault is one of these."""
        with self._lock:
            plans = list(self._plans.values())
        for plan in plans:
            if plan.fault in (faults or (Fault.HOLD,)):
                plan.go.set()

    def claim(self, step: Step, phase: Phase) -> Plan | None:
        """The plan for this step in this phase, once: a second try of it goes through."""
        with self._lock:
            plan = self._plans.get(step.tag)
            is_due = plan is not None and plan.phase is phase and not plan.reached.is_set()
            if plan is None or not is_due or plan.fault is Fault.NONE:
                return None
            plan.reached.set()
            return plan

    def cuts_of(self, step: Step, length: int) -> tuple[int, int]:
        """Bytes before half-way, and how many at the end count as the last one.

        zou does not miss the last few: they belong to the boundary.
        """
        plan = self._plans.get(step.tag)
        at = plan.at if plan is not None else 0.5
        return int((length - _MOST_HELD_BACK) * at), 1 + int(_MOST_HELD_BACK * at)

    @contextlib.contextmanager
    def noting_upload(self, line: str) -> Iterator[None]:
        """See that no second upload to the same preview file runs meanwhile."""
        upload = _UPLOAD.match(line)
        if upload is None:
            yield
            return
        with self._lock:
            is_second = upload[1] in self._uploading
            if is_second:
                self.overlaps.append(upload[1])
            self._uploading.add(upload[1])
        try:
            yield
        finally:
            if not is_second:
                with self._lock:
                    self._uploading.discard(upload[1])

    def is_comment(self, line: str) -> bool:
        return _COMMENT.match(line) is not None

    def recognise(self, line: str, body: bytes) -> Step | None:
        """Tell whose request this is.

        Args:
            line: Method and target, without the version.
            body: For a comment, what is posted.
        """
        if self.is_comment(line):
            tag = TAG.search(body.decode(errors="replace"))
            return Step(tag[0], (Phase.COMMENT,), Phase.COMMENT_MADE) if tag else None
        with self._lock:
            if row := _ROW.match(line):
                owner = self._tag_of.get(row[1])
                return Step(owner, (Phase.PREVIEW_ROW,), Phase.ROW_MADE) if owner else None
            if upload := _UPLOAD.match(line):
                owner = self._tag_of.get(upload[1])
                phases = (Phase.FIRST_BYTE, Phase.HALF_WAY, Phase.LAST_BYTE)
                return Step(owner, phases, Phase.ANSWER_LOST) if owner else None
            if look := _LOOK.match(line):
                owner = self._tag_of.get(look[1])
                if owner and look[1] in self._uploaded:
                    return Step(owner, (Phase.WAITING,))
        return None

    def learn(self, line: str, step: Step, status: int, content: bytes) -> None:
        """Note the id of what Kitsu made."""
        if status not in {200, 201}:
            return
        with self._lock:
            if upload := _UPLOAD.match(line):
                self._uploaded.add(upload[1])
            elif step.after in {Phase.COMMENT_MADE, Phase.ROW_MADE}:
                self._tag_of[json.loads(content)["id"]] = step.tag
