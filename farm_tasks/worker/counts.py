"""What this process has to add to the counts in Redis, and the thread that adds it.

How a submission ends, and that it is tried again, is counted with its record, in the same step
(:func:`farm_tasks.counting.of_change`). The rest is noted here, in memory, and written at most
twice a second, all of it in one round trip. A transfer never waits for that; while Redis is away
it adds up.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from farm_tasks.counting import (
    BYTES,
    CRASHES,
    DEDUPE,
    FOUND_IN_KITSU,
    OTHER,
    PROCESSING,
    SAME_MESSAGE,
    SECONDS,
    STEP_DONE,
    THROUGHPUT,
    direction_of,
    field,
    function_of,
    observed,
)
from farm_tasks.kitsu import ledger
from farm_tasks.transfer.progress import Meter

INTERVAL = 0.5
"""Seconds between two writes."""

RESPITE = 5.0
"""Seconds until the next one after Redis could not be reached."""

LEAST_BYTES = 32_000_000
"""Of less, a throughput says more of the kernels' buffers than of the network."""

_REMEMBERED = 86400
"""Seconds for which Redis knows which write of a process was its last."""

# The answer to a write may be lost: sent again, it carries the same number and does nothing.
_ADD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for number = 2, #KEYS do
  redis.pcall('HINCRBYFLOAT', KEYS[number], ARGV[2 * number - 1], ARGV[2 * number])
end
return 1
"""

_Addend = tuple[str, str, float]

logger = logging.getLogger(__name__)


class Counts:
    """The counts of this process. Its thread is started by the first one.

    Args:
        connect: Makes the client that is written with; one that gives up early.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._noted: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._unsent: dict[tuple[str, str], float] = {}
        self._key = f"farm-tasks:metrics:writer:{uuid.uuid4().hex}"
        self._number = 0
        self._redis: Any = None
        self._thread: threading.Thread | None = None
        self._complained = False

    def moved(self, task: str, count: int) -> None:
        """Count bytes that have gone over the wire."""
        function = function_of(task)
        # What is no function of ours moves nothing that has a direction.
        if count and function != OTHER:
            self._add([(BYTES, field(direction_of(function), function), count)])

    def attempted(self, task: str, seconds: float, outcome: str, meter: Meter) -> None:
        """Count an attempt that has ended.

        Args:
            task: The task's name.
            seconds: How long it took.
            outcome: One of :data:`farm_tasks.counting.ATTEMPT_ENDS`.
            meter: What it has moved.
        """
        function = function_of(task)
        addends = observed(SECONDS, seconds, function, outcome)
        rate = meter.throughput
        if rate is not None and meter.moved_bytes >= LEAST_BYTES and function != OTHER:
            addends += observed(THROUGHPUT, rate, direction_of(function))
        self._add(addends)

    def observe(self, what: str, amount: float = 1.0) -> None:
        """Count what a ledger has seen: see :meth:`farm_tasks.kitsu.ledger.Ledger.observe`."""
        if what == ledger.PROCESSED:
            self._add(observed(PROCESSING, amount))
        elif what == ledger.STEP_DONE:
            self._add([(DEDUPE, STEP_DONE, amount)])
        elif what == ledger.FOUND:
            self._add([(DEDUPE, FOUND_IN_KITSU, amount)])

    def came_again(self) -> None:
        """Count a message of work that has ended."""
        self._add([(DEDUPE, SAME_MESSAGE, 1)])

    def crashed(self) -> None:
        """Count a process that died while it ran a submission."""
        self._add([(CRASHES, "", 1)])

    def write(self) -> bool:
        """Write what is noted. Returns whether Redis has it all."""
        with self._writing:
            # What could not be written before goes as it was then; what is new, after it.
            return self._write_batch() and self._write_batch()

    def _write_batch(self) -> bool:
        if not self._unsent:
            with self._lock:
                self._unsent, self._noted = dict(self._noted), defaultdict(float)
            self._number += 1
        if not self._unsent:
            return True
        try:
            self._send(self._unsent)
        except Exception as error:  # whatever it is, a transfer goes on without its count
            if not self._complained:
                logger.warning("Counts are written later: %r", error)
            self._complained = True
            return False
        self._unsent = {}
        self._complained = False
        return True

    def _send(self, counts: dict[tuple[str, str], float]) -> None:
        if self._redis is None:
            self._redis = self._connect()
        keys = [self._key, *(key for key, _ in counts)]
        values: list[object] = [self._number, _REMEMBERED]
        for (_, name), amount in counts.items():
            values += [name, repr(amount)]
        self._redis.eval(_ADD, len(keys), *keys, *values)

    def _add(self, addends: Iterable[_Addend]) -> None:
        with self._lock:
            for key, name, amount in addends:
                self._noted[key, name] += amount
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="farm-tasks-counts", daemon=True
                )
                with contextlib.suppress(RuntimeError):  # no more threads now: the next one tries
                    self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._wake.wait()
            self._wake.clear()
            while not self.write():
                pause.wait(RESPITE)
            pause.wait(INTERVAL)
