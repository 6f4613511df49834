"""A key's life in any order of what can happen to it, against a real Redis.

The worker here follows the rules that real ones do: it drops the messages of work that has ended,
has one run of a submission at a time, and stores states with the workers' own backend.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
import redis
from celery.app.task import Context
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farm_tasks import submit
from farm_tasks.cancelling import is_cancelled
from farm_tasks.errors import (
    InvalidArgument,
    Rejected,
    StillRunning,
    UnknownSubmission,
)
from farm_tasks.queues import UPLOADS
from farm_tasks.states import (
    FAILURE,
    FINAL_STATES,
    INDEX_KEY,
    PROGRESS,
    QUEUED,
    REVOKED,
    STARTED,
    SUCCESS,
    claim_key,
    result_key,
    submission_key,
)
from farm_tasks.submit import Submission, claim
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.transfer.progress import Progress
from farm_tasks.worker.backend import TransferBackend
from tests.support.failing_kitsu import SOME_ID

KEYS = st.sampled_from(["one", "two"])
PATHS = st.sampled_from(["/projects/a", "/projects/b"])
QUEUE = UPLOADS


class KeyLife(RuleBasedStateMachine):
    """What Redis holds is compared with ``ids`` and ``states``, after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.redis = redis_client()
        self.redis.flushall()
        self.broker = redis.Redis.from_url(os.environ["FARM_TASKS_BROKER_URL"])
        self.backend = TransferBackend(app=sender(), url=os.environ["FARM_TASKS_RESULT_BACKEND"])
        self.ids: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self.unsent: set[str] = set()
        self.lost: set[str] = set()
        self.runs: dict[str, Context] = {}

    def teardown(self) -> None:
        self.broker.close()
        self.backend.client.close()

    # What submitters do.

    @rule(key=KEYS, path=PATHS)
    def submit(self, key: str, path: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claim, "PATIENCE", 0)
            submission = submit.upload_working_file(SOME_ID, path, key=key)
        self._queued(key, path, submission.id)
        self.unsent.discard(key)

    @rule(key=KEYS, path=PATHS)
    def die_between_claim_and_message(self, key: str, path: str) -> None:
        """Without a word: what a submitter that lives says of its failure is left out too."""
        was_sent = key in self.ids and key not in self.unsent
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claim, "deliver", _die)
            patch.setattr(claim, "PATIENCE", 0)
            try:
                submission = submit.upload_working_file(SOME_ID, path, key=key)
            except _Killed:
                assert not was_sent or self.states[key] in {FAILURE, REVOKED}
                [holder] = [self.redis.get(submission_key(key))]
                if not (key in self.unsent and self.states[key] == QUEUED):
                    self._queued(key, path, holder.decode())
                    self.unsent.add(key)
            else:
                assert submission.id == self.ids[key]
                assert self.states[key] not in {FAILURE, REVOKED}

    @rule(key=KEYS)
    def submit_with_another_function(self, key: str) -> None:
        if key in self.ids:
            with pytest.raises(InvalidArgument):
                submit.set_avatar(SOME_ID, "/projects/a", key=key)

    @rule(key=KEYS)
    def retry(self, key: str) -> None:
        if key not in self.ids:
            with pytest.raises(UnknownSubmission):
                Submission(SOME_ID).retry()
            return
        state = self.states[key]
        submission = Submission(self.ids[key])
        if state == SUCCESS:
            with pytest.raises(InvalidArgument, match="ended well"):
                submission.retry()
        elif state in {STARTED, PROGRESS}:
            with pytest.raises(StillRunning):
                submission.retry()
        else:
            submission.retry()
            self.states[key] = QUEUED
            self.unsent.discard(key)
            self.lost.discard(key)

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        if key in self.ids:
            Submission(self.ids[key]).cancel()
            if self.states[key] == QUEUED:
                self.states[key] = REVOKED

    # What workers do.

    @rule()
    def take_a_message(self) -> None:
        taken = self.broker.rpop(QUEUE)
        if taken is None:
            return
        message = json.loads(taken)
        submission_id = message["headers"]["id"]
        if submission_id in self.runs:
            self.broker.lpush(QUEUE, taken)  # it waits for the lease
            return
        key = self._key_of(submission_id)
        if key is None or self.states[key] in FINAL_STATES:
            return
        args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        if kwargs["file_path"] != self.paths[key]:
            return  # of an earlier run
        request = Context(message["headers"], args=args, kwargs=kwargs, hostname="a worker")
        request.progress = Progress(total=10, file=kwargs["file_path"]).to_dict()
        self.runs[submission_id] = request
        if is_cancelled(self.redis, [submission_id])[0]:
            raise AssertionError("whoever had it run again did not take the wish to cancel back")
        figures = Progress(bytes_read=1, total=10, updated=4e9).to_dict()
        self._store(submission_id, figures, PROGRESS)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), state=st.sampled_from([SUCCESS, FAILURE, REVOKED]))
    def end_a_run(self, data: st.DataObject, state: str) -> None:
        submission_id = data.draw(st.sampled_from(sorted(self.runs)))
        result = {"id": SOME_ID} if state == SUCCESS else Rejected("no")
        self._store(submission_id, result, state)
        del self.runs[submission_id]

    # What time and Redis do.

    @rule(key=KEYS, alone=st.booleans())
    def expire(self, key: str, alone: bool) -> None:
        if key not in self.ids or self.states[key] not in FINAL_STATES:
            return
        submission_id = self.ids.pop(key)
        names = [result_key(submission_id), submission_key(key), claim_key(submission_id)]
        self.redis.delete(*(names[:1] if alone else names))
        self.states.pop(key)
        self.unsent.discard(key)
        self.lost.discard(key)

    @rule()
    def lose_a_message(self) -> None:
        taken = self.broker.rpop(QUEUE)
        if taken is not None:
            key = self._key_of(json.loads(taken)["headers"]["id"])
            if key is not None:
                self.lost.add(key)

    # What must hold.

    @invariant()
    def a_key_has_one_record_of_the_right_state(self) -> None:
        ids = [one.decode() for one in self.redis.zrange(INDEX_KEY, 0, -1)]
        found: dict[str, list[tuple[str, str, str]]] = {}
        for one in ids:
            stored = self.redis.get(result_key(one))
            if stored is not None:
                meta = json.loads(stored)
                what = (one, meta["status"], meta["kwargs"]["file_path"])
                found.setdefault(meta["submission_key"], []).append(what)
        assert found == {
            key: [(one, self.states[key], self.paths[key])] for key, one in self.ids.items()
        }

    @invariant()
    def the_key_leads_to_it_and_lives_as_long(self) -> None:
        for key, one in self.ids.items():
            assert self.redis.get(submission_key(key)) == one.encode()
            lifetime = self.redis.ttl(result_key(one))
            assert lifetime > 0
            assert self.redis.ttl(submission_key(key)) >= lifetime - 1
            assert self.redis.ttl(claim_key(one)) >= lifetime - 1

    @invariant()
    def what_is_queued_has_a_message_or_is_known_to_have_none(self) -> None:
        waiting = {json.loads(one)["headers"]["id"] for one in self.broker.lrange(QUEUE, 0, -1)}
        for key, one in self.ids.items():
            if self.states[key] == QUEUED and key not in self.lost:
                is_unsent = self.redis.hexists(claim_key(one), "unsent")
                assert is_unsent == (key in self.unsent)
                assert is_unsent or one in waiting

    @invariant()
    def one_run_of_a_key_at_a_time(self) -> None:
        keys = [self._key_of(one) for one in self.runs]
        assert len(keys) == len(set(keys))

    def _queued(self, key: str, path: str, submission_id: str) -> None:
        """The model's side of a submission with a key."""
        if key not in self.ids:
            assert submission_id not in self.ids.values()
            self.ids[key] = submission_id
        elif self.states[key] not in {FAILURE, REVOKED}:
            assert submission_id == self.ids[key]
            return
        assert submission_id == self.ids[key]
        self.states[key], self.paths[key] = QUEUED, path
        self.lost.discard(key)

    def _key_of(self, submission_id: str) -> str | None:
        return next((key for key, one in self.ids.items() if one == submission_id), None)

    def _store(self, submission_id: str, result: Any, state: str) -> None:
        request = self.runs[submission_id]
        self.backend.store_result(submission_id, result, state, request=request)
        key = self._key_of(submission_id)
        assert key is not None
        self.states[key] = state


class _Killed(BaseException):
    """A submitter was killed."""


def _die(*_: object) -> None:
    raise _Killed


def test_a_key_is_one_submission_whatever_happens_in_which_order(
    alone: Mapping[str, str],
) -> None:
    run_state_machine_as_test(
        KeyLife,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )  # fmt: skip
