"""Whatever happens in whatever order, a publish is there once.

Hypothesis delivers messages twice, cuts connections before and after the deed, lets Kitsu do half
of it, kills owners and takes leases from live ones, and looks at what Kitsu has after each step.
The operations, the ledger, the leases and Redis are the real ones; Kitsu is a model, since the real
one cannot be stopped between two instructions.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from gazu.client import KitsuClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farm_tasks.errors import FarmTasksError
from farm_tasks.kitsu import operations
from farm_tasks.states import lease_key, ledger_key
from farm_tasks.worker import ledger as ledgers
from farm_tasks.worker.lease import Keeper, Lease, LostOwnership
from farm_tasks.worker.ledger import RESULT, RedisLedger, returned
from tests.ledger.model_kitsu import STATUS, ModelKitsu, model_kitsu
from tests.support.redis_server import running_redis

TASK = "11111111-1111-4111-8111-111111111111"
T = TypeVar("T")

FATES = ["ok", "ok", "lost", "half", "cut", "503", "500", "refused"]


class Killed(Exception):
    """The process is gone: it does nothing more."""


class HastyLedger(RedisLedger):
    """Its clock is the test's: nobody waits five real seconds for Kitsu to settle."""

    clock = 0.0

    def now(self) -> float:
        return HastyLedger.clock

    def _patiently(self, ask: Callable[[], T]) -> T:
        self._check()
        return super()._patiently(ask)


class Attempt:
    """One delivery of a submission's message, run as a worker runs it."""

    def __init__(self, machine: Machine, submission: int, number: int) -> None:
        self.submission = submission
        self.token = f"attempt-{number}"
        self.killed = False
        self.outcome: Any = None
        self.lease = Lease(machine.redis, lease_key(str(submission)))
        self._machine = machine
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        machine = self._machine
        try:
            key = ledger_key(str(self.submission))
            owner, answers = self.lease.take_and_look(lambda asked: asked.hget(key, RESULT))
            if owner is not None:
                self.outcome = "comes back"
                return
            ledger = HastyLedger(
                machine.redis, str(self.submission), self.lease, machine.keeper, self._check
            )
            client = KitsuClient(machine.kitsu.url)
            client.access_token = self.token
            if returned(*answers) is None:
                ledger.note_result(machine.publish(self, client, ledger))
            self.outcome = "done"
        except (FarmTasksError, LostOwnership, Killed) as error:
            self.outcome = error
        except Exception as error:
            self.outcome = error
            machine.surprises.append(error)
        finally:
            if not self.killed:
                self.lease.release()
            with machine.kitsu.changed:
                machine.kitsu.changed.notify_all()

    def progress(self, bytes_read: int, total: int) -> None:
        self._check()

    def _check(self) -> None:
        if self.killed:
            raise Killed

    @property
    def is_held(self) -> bool:
        return self.token in self._machine.kitsu.held

    def settle(self) -> None:
        """Wait until it has ended, or waits for Kitsu."""
        changed = self._machine.kitsu.changed
        with changed:
            assert changed.wait_for(lambda: self.is_held or self.outcome is not None, 20)
        if self.outcome is not None:
            self.thread.join(20)


class Machine(RuleBasedStateMachine):
    kitsu: ModelKitsu
    redis: Any
    keeper: Keeper
    movie: str
    attachments: list[str]
    complete: tuple[list[str], ...] = (["shot"],)
    """What the previews of a comment may hold at the end."""

    def publish(self, attempt: Attempt, client: KitsuClient, ledger: RedisLedger) -> Any:
        return operations.publish_preview(
            TASK,
            STATUS,
            self.texts[attempt.submission],
            attachments=self.attachments,
            preview_file_path=self.movie,
            client=client,
            progress_callback=attempt.progress,
            ledger=ledger,
        )

    @initialize()
    def begin(self) -> None:
        self.kitsu.clear()
        self.redis.flushdb()
        HastyLedger.clock = 0.0
        self.texts: list[str] = []
        self.attempts: list[Attempt] = []
        self.done: set[int] = set()
        self.surprises: list[Exception] = []

    def running(self) -> list[Attempt]:
        return [one for one in self.attempts if one.is_held]

    def orphans(self) -> list[Attempt]:
        """Those whose request is under way although nobody waits for them any more."""
        return [
            one
            for one in self.running()
            if one.killed or self._owner(one.submission) != one.lease.owner
        ]

    def _owner(self, submission: int) -> str | None:
        owner = self.redis.hget(lease_key(str(submission)), "owner")
        return None if owner is None else owner.decode()

    @rule(text=st.sampled_from(["", "v001", "same", "same"]))
    @precondition(lambda self: len(self.texts) < 3)
    def submit(self, text: str) -> None:
        self.texts.append(text)
        self.deliver(len(self.texts) - 1)

    @rule(data=st.data())
    @precondition(lambda self: self.texts and len(self.running()) < 4)
    def redeliver(self, data: st.DataObject) -> None:
        self.deliver(data.draw(st.sampled_from(range(len(self.texts)))))

    def deliver(self, submission: int) -> None:
        attempt = Attempt(self, submission, len(self.attempts))
        self.attempts.append(attempt)
        attempt.settle()
        self._note(attempt)

    @rule(data=st.data(), fate=st.sampled_from(FATES))
    @precondition(lambda self: self.running())
    def decide(self, data: st.DataObject, fate: str) -> None:
        attempt = data.draw(st.sampled_from(self.running()))
        self._let_go(attempt, fate)

    @rule(data=st.data())
    @precondition(lambda self: any(not one.killed for one in self.running()))
    def kill(self, data: st.DataObject) -> None:
        """kill -9: its lease runs out, its request may be handled yet."""
        attempt = data.draw(st.sampled_from([one for one in self.running() if not one.killed]))
        attempt.killed = True
        self._expire(attempt)

    @rule(data=st.data())
    @precondition(lambda self: any(not one.killed for one in self.running()))
    def cut_off(self, data: st.DataObject) -> None:
        """A live owner that Redis has not heard of for too long: it goes on, for all it knows."""
        self._expire(data.draw(st.sampled_from([one for one in self.running() if not one.killed])))

    @rule()
    @precondition(lambda self: not self.orphans())
    def time_passes(self) -> None:
        """Kitsu has handled what it was asked, as it is trusted to do within this time."""
        HastyLedger.clock += 100.0

    def _expire(self, attempt: Attempt) -> None:
        owner = attempt.lease.owner
        if self._owner(attempt.submission) == owner:
            self.redis.delete(attempt.lease.key)
        for key in self.redis.keys("farm-tasks:lock:*"):
            # Only one of the attempts can be inside, and it is held by Kitsu.
            if attempt.is_held and self._is_inside(attempt, key.decode()):
                self.redis.delete(key)

    def _is_inside(self, attempt: Attempt, key: str) -> bool:
        others = [one for one in self.running() if one is not attempt]
        return not others or self.redis.hget(key, "owner").decode() in self.locks_of(attempt)

    def locks_of(self, attempt: Attempt) -> set[str]:
        return LOCKS.get(attempt.thread, set())

    def _let_go(self, attempt: Attempt, fate: str) -> None:
        self.kitsu.decide(attempt.token, fate)
        attempt.settle()
        self._note(attempt)

    def _note(self, attempt: Attempt) -> None:
        if attempt.outcome == "done":
            self.done.add(attempt.submission)

    @invariant()
    def nothing_is_there_twice(self) -> None:
        if not hasattr(self, "texts"):
            return
        assert not self.surprises
        wanted = Counter(self.texts)
        with self.kitsu.changed:
            found = Counter(one["text"] for one in self.kitsu.comments)
            assert found <= wanted
            for comment in self.kitsu.comments:
                names = [one["name"] for one in comment["attachment_files"]]
                assert len(names) == len(set(names))
                filled = Counter(filter(None, self.kitsu.names_of(comment)))
                assert max(filled.values(), default=0) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "texts"):
            return
        for attempt in self.running():
            self._let_go(attempt, "cut" if attempt.killed else "ok")
            while attempt.is_held:
                self._let_go(attempt, "ok")
        for submission in range(len(self.texts)):
            for _ in range(30):
                if submission in self.done:
                    break
                HastyLedger.clock += 100.0
                self.deliver(submission)
                while self.attempts[-1].is_held:
                    self._let_go(self.attempts[-1], "ok")
        assert self.done == set(range(len(self.texts))), [one.outcome for one in self.attempts]
        self.nothing_is_there_twice()
        assert Counter(one["text"] for one in self.kitsu.comments) == Counter(self.texts)
        for comment in self.kitsu.comments:
            assert len(comment["attachment_files"]) == len(self.attachments)
            assert sorted(self.kitsu.names_of(comment)) in self.complete


LOCKS: weakref.WeakKeyDictionary[threading.Thread, set[str]] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def running(machine: type[Machine], folder: Path) -> Iterator[type[Machine]]:
    """With a Redis, a Kitsu, and files to publish."""
    machine.movie = str(folder / "shot.zip")
    Path(machine.movie).write_bytes(b"content")
    attachments = [folder / "notes.txt", folder / "grade.cdl"]
    for number, one in enumerate(attachments, 1):
        one.write_bytes(b"x" * number)
    machine.attachments = [str(one) for one in attachments]
    with (
        running_redis(folder / "redis") as server,
        model_kitsu() as kitsu,
        server.client(1) as client,
    ):
        machine.kitsu, machine.redis = kitsu, client
        machine.keeper = _Keeper(lambda: client)
        yield machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Machine]]:
    with running(Machine, tmp_path_factory.mktemp("ledger")) as machine:
        yield machine


class _Keeper(Keeper):
    """Renews nothing: an example lasts less than a lease. Notes who is inside which lock."""

    def keep(self, lease: Lease, lost: Any) -> None:
        LOCKS.setdefault(threading.current_thread(), set()).add(lease.owner)


def test_a_publish_is_there_once_whatever_happens_in_whatever_order(
    machine: type[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "PATIENCE", -1.0)
    run_examples(machine, 120)


def run_examples(machine: type[Machine], count: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            # The same ones each time, so that a change is judged by itself; EXAMPLES=5000 goes
            # further.
            max_examples=int(os.environ.get("EXAMPLES", count)),
            derandomize="EXAMPLES" not in os.environ,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
