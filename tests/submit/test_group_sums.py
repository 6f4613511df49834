"""A group's sum is what its members' records add up to, in whatever order things happen."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from farm_tasks import submit
from farm_tasks.errors import StillRunning, UnknownSubmission
from farm_tasks.functions import is_download
from farm_tasks.group_shares import MADE, WHOLE
from farm_tasks.settings import settings as our_settings
from farm_tasks.states import (
    FAILURE,
    FINAL_STATES,
    PROGRESS,
    QUEUED,
    REVOKED,
    STARTED,
    SUCCESS,
    group_channel,
    group_key,
    group_order_key,
    group_sum_key,
    groups_of_key,
    result_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.submit import Group, GroupProgress, Submission, group_feed
from farm_tasks.submit.connection import redis_client
from farm_tasks.submit.group_feed import follow_members, follow_sum
from farm_tasks.submit.group_progress import add_members, read_sums, sum_of
from farm_tasks.submit.record import Record, decode
from tests.support.failing_kitsu import SOME_ID
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

STATES = st.sampled_from([STARTED, PROGRESS, "RETRY", SUCCESS, FAILURE, REVOKED, "CUSTOM"])
MEMBERS = st.sampled_from(range(4))
GROUPS = st.sampled_from(range(3))
_NAMELESS = b'{"name": "farm_tasks.upload_working_file", "kwargs": {}}'


def add_up(records: list[Record]) -> GroupProgress:
    """What :class:`Sum` has to say, the long way."""
    ended = [one for one in records if one.is_final]
    done = sum(one.state == SUCCESS for one in ended)
    open_ones = [one.progress for one in records if not one.is_final]
    fraction = len(ended) + sum((one.percent or 0.0) / 100.0 for one in open_ones)
    return GroupProgress(
        files_done=done,
        files_failed=len(ended) - done,
        files_total=len(records),
        bytes_read=sum(one.progress.bytes_read for one in records),
        total=sum(one.progress.total for one in records),
        rate=sum(one.progress.rate for one in records),
        fraction=fraction / len(records) if records else 0.0,
        sizes_known=all(one.total > 0 for one in open_ones)
        and not any(is_download(one.function) for one in records),
    )


class Sums(RuleBasedStateMachine):
    """``told`` has, by group and member, the record that the group was told last."""

    def __init__(self) -> None:
        super().__init__()
        self.redis = redis_client()
        self.redis.flushall()
        self.members: dict[int, Submission] = {}
        self.groups: dict[int, Group] = {}
        self.told: dict[int, dict[int, Record]] = {}

    @rule(member=MEMBERS, is_upload=st.booleans())
    def submit(self, member: int, is_upload: bool) -> None:
        send = submit.upload_working_file if is_upload else submit.download_working_file
        self.members[member] = send(SOME_ID, f"/p/sq/{member}.blend")
        for group in self.told.values():
            group.pop(member, None)  # another submission, which is in no group
        for number in [one for one, group in self.groups.items() if self._knows(group, member)]:
            del self.groups[number], self.told[number]

    @rule(group=GROUPS, members=st.sets(MEMBERS, min_size=1))
    def make_a_group(self, group: int, members: set[int]) -> None:
        known = [one for one in sorted(members) if one in self.members]
        self.groups[group] = Group.of([self.members[one] for one in known])
        self.told[group] = {}
        for one in known:
            self._tell(one)

    @rule(
        member=MEMBERS, state=STATES, bytes_read=st.integers(0, 100), total=st.integers(0, 100),
        rate=st.integers(0, 9),
    )  # fmt: skip
    def store(self, member: int, state: str, bytes_read: int, total: int, rate: int) -> None:
        self._store(member, state, bytes_read, total, rate)

    @rule(member=MEMBERS)
    def cancel(self, member: int) -> None:
        record = self._record(member)
        if record is not None:
            self.members[member].cancel()
            if record.state in {QUEUED, "RETRY"}:  # else a worker has it, and ends it
                self._tell(member)

    @rule(member=MEMBERS)
    def retry(self, member: int) -> None:
        record = self._record(member)
        if record is not None and record.state in {FAILURE, REVOKED}:
            self.members[member].retry()
            self._tell(member)

    @rule(member=MEMBERS)
    def expire(self, member: int) -> None:
        """The record alone: the sum keeps what was known, until it is looked for."""
        if member in self.members:
            self.redis.delete(result_key(self.members[member].id))

    @rule(member=MEMBERS, state=STATES)
    def store_without_a_word(self, member: int, state: str) -> None:
        if self._record(member) is not None:
            self.redis.set(*self._changed(member, state, 3, 4, 5))

    @rule(group=GROUPS)
    def lose_the_sum(self, group: int) -> None:
        if group in self.groups:
            self.redis.delete(group_sum_key(self.groups[group].id))
            self.redis.delete(group_order_key(self.groups[group].id))
            sum_of(self.redis, self.groups[group].id)
            self.told[group] = {}
            self._tell_all(group)

    @rule(group=GROUPS)
    def be_added_half_way(self, group: int) -> None:
        if group in self.groups:
            self.redis.hdel(group_sum_key(self.groups[group].id), WHOLE)
            sum_of(self.redis, self.groups[group].id)
            self._tell_all(group)

    @rule(group=GROUPS)
    def be_told_again(self, group: int) -> None:
        if group in self.groups:
            add_members(self.redis, self.groups[group].id, self._ids(group))
            self._tell_all(group)

    @invariant()
    def sums_are_what_the_records_add_up_to(self) -> None:
        for number, group in self.groups.items():
            [found] = read_sums(self.redis, [group.id])
            assert found is not None
            told = self.told[number]
            wanted = add_up(list(told.values()))
            got = found.progress
            assert got.fraction == pytest.approx(wanted.fraction, abs=1e-4)
            for name in ("files_done", "files_failed", "files_total", "bytes_read", "total"):
                assert getattr(got, name) == getattr(wanted, name), name
            assert (got.rate, got.sizes_known) == (wanted.rate, wanted.sizes_known)
            listed = self.redis.zrange(group_order_key(group.id), 0, -1)
            assert {one.decode() for one in listed} == {self.members[one].id for one in told}

    @invariant()
    def what_is_kept_expires(self) -> None:
        for group in self.groups.values():
            for key in (group_key, group_sum_key, group_order_key):
                if self.redis.exists(key(group.id)):
                    assert self.redis.ttl(key(group.id)) > 0
            for one in group.submissions:
                assert self.redis.ttl(groups_of_key(one.id)) > 0

    def _knows(self, group: Group, member: int) -> bool:
        known = {one.id for one in group.submissions}
        return len(known & {one.id for one in self.members.values()}) < len(known)

    def _ids(self, group: int) -> list[str]:
        return [one.id for one in self.groups[group].submissions]

    def _record(self, member: int) -> Record | None:
        if member not in self.members:
            return None
        stored = self.redis.get(result_key(self.members[member].id))
        return None if stored is None else decode(self.members[member].id, stored)

    def _changed(
        self, member: int, state: str, bytes_read: int, total: int, rate: int
    ) -> tuple[str, str]:
        key = result_key(self.members[member].id)
        meta = json.loads(self.redis.get(key) or _NAMELESS)
        percent = round(min(100.0, 100 * bytes_read / total), 2) if total else None
        figures = {"bytes_read": bytes_read, "total": total, "percent": percent, "rate": rate}
        meta |= {"status": state, "result": None, "progress": figures}
        if state == PROGRESS:
            meta |= {"result": figures, "progress": None}
        if state in {FAILURE, REVOKED, "RETRY"}:
            meta["result"] = {"exc_type": "Rejected", "exc_message": ["no"], "exc_module": "x"}
        return key, json.dumps(meta)

    def _store(self, member: int, state: str, bytes_read: int, total: int, rate: int) -> None:
        if member not in self.members:
            return
        key, value = self._changed(member, state, bytes_read, total, rate)
        assert replace(self.redis, key, self.redis.get(key), value, our_settings().record_seconds)
        self._tell(member)

    def _tell(self, member: int) -> None:
        """Whoever tells one group of a member tells all of them."""
        record = self._record(member)
        for number in self.groups:
            if record is not None and self.members[member].id in self._ids(number):
                self.told[number][member] = record

    def _tell_all(self, group: int) -> None:
        for member, one in self.members.items():
            if one.id in self._ids(group):
                self._tell(member)
                self._miss(member, group)

    def _miss(self, member: int, group: int) -> None:
        """What has ended keeps its share without a record; what has not is known no more."""
        known = self.told[group].get(member)
        if known is not None and not known.is_final and self._record(member) is None:
            for told in self.told.values():
                told.pop(member, None)


def test_a_sum_is_right_whatever_happens_in_which_order(alone: Mapping[str, str]) -> None:
    run_state_machine_as_test(
        Sums,
        settings=settings(
            max_examples=100, stateful_step_count=30, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )  # fmt: skip


def uploads(count: int) -> list[Submission]:
    return [submit.upload_working_file(SOME_ID, f"/p/sq/{n}.blend") for n in range(count)]


def store(one: Submission, state: str, **figures: Any) -> None:
    key = result_key(one.id)
    seen = redis_client().get(key)
    meta = {**json.loads(seen), "status": state, "progress": figures, "result": None}
    if state == PROGRESS:
        meta["result"] = figures
    assert replace(redis_client(), key, seen, json.dumps(meta), 60)


def test_adding_and_storing_in_any_order_gives_the_same_sum(alone: Mapping[str, str]) -> None:
    def join(one: Submission, group_id: str) -> None:
        add_members(redis_client(), group_id, [one.id])

    def move(one: Submission, group_id: str) -> None:
        store(one, PROGRESS, bytes_read=7, total=9, percent=77.78, rate=3)

    def end(one: Submission, group_id: str) -> None:
        store(one, SUCCESS, bytes_read=9, total=9, percent=100.0)

    for steps in permutations([join, move, join, end, join]):
        if steps.index(move) < steps.index(end):
            [one], group_id = uploads(1), str(uuid.uuid4())
            for step in steps:
                step(one, group_id)
            progress = sum_of(redis_client(), group_id, [one.id]).progress
            assert (progress.files_done, progress.files_total) == (1, 1)
            assert (progress.bytes_read, progress.total, progress.fraction) == (9, 9, 1.0)


@pytest.mark.parametrize("figure", [-7, 2.6, "x", None, True, float("nan"), 10**400, [1], {"a": 1}])
def test_forged_figures_neither_stop_a_record_nor_stay_in_the_sum(
    alone: Mapping[str, str], figure: Any
) -> None:
    one, other = uploads(2)
    group = Group.of([one, other])
    store(one, PROGRESS, bytes_read=figure, total=figure, percent=figure, rate=figure)
    assert group.progress().files_total == 2
    assert 0 <= group.progress().fraction <= 1
    store(one, SUCCESS, bytes_read=5, total=5)
    progress = group.progress()
    assert (progress.bytes_read, progress.total, progress.fraction) == (5, 5, 0.5)


@pytest.mark.parametrize("forged", ["", "{", "5", "[]", "[" * 5000, '{"status": 5}', "\xff"])
def test_a_record_that_nobody_can_read_is_stored_and_counts_no_more(
    alone: Mapping[str, str], forged: str
) -> None:
    one, other = uploads(2)
    group = Group.of([one, other])
    key = result_key(one.id)
    assert replace(redis_client(), key, redis_client().get(key), forged, 60)
    assert redis_client().get(key) == forged.encode()
    assert sum_of(redis_client(), group.id).states == {"QUEUED": 1}


def test_keys_of_another_type_do_not_stop_a_record(alone: Mapping[str, str]) -> None:
    one, other = uploads(2)
    group = Group.of([one])
    redis_client().delete(group_sum_key(group.id))
    redis_client().set(group_sum_key(group.id), "x")
    redis_client().set(groups_of_key(other.id), "x")
    for submission in (one, other):
        store(submission, SUCCESS, bytes_read=5, total=5)
        assert submission.state == SUCCESS


def test_nothing_is_missed_while_members_are_added(alone: Mapping[str, str]) -> None:
    members = uploads(60)
    started = threading.Event()

    def work() -> None:
        for percent in (25.0, 50.0):
            for one in members:
                store(one, PROGRESS, bytes_read=int(percent), total=100, percent=percent)
                started.set()
        for one in members:
            store(one, SUCCESS, bytes_read=100, total=100)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(10)
    groups = [Group.of(members) for _ in range(20)]
    thread.join()
    for one in groups:
        progress = one.progress()
        assert (progress.files_done, progress.bytes_read) == (60, 6000)


def test_a_group_of_an_older_version_gets_its_sum_when_it_is_looked_at(
    alone: Mapping[str, str],
) -> None:
    members = uploads(3)
    redis_client().rpush(group_key("old"), *(one.id for one in members))
    store(members[0], SUCCESS, bytes_read=5, total=5)
    group = Group.load("old")
    assert group.progress().files_done == 1
    store(members[1], SUCCESS, bytes_read=5, total=5)
    assert Group.load("old").progress().files_done == 2
    assert redis_client().hexists(group_sum_key("old"), MADE)


def test_a_share_that_expires_before_the_sum_counts_once(alone: Mapping[str, str]) -> None:
    """A member that ended days ago, in a batch that goes on: its record outlives its share."""
    ended, running = members = uploads(2)
    group = Group.of(members)
    store(ended, SUCCESS, bytes_read=5, total=5)
    store(running, PROGRESS, bytes_read=3, total=9, percent=33.33, rate=2)
    before = sum_of(redis_client(), group.id)
    redis_client().delete(groups_of_key(ended.id), groups_of_key(running.id))
    add_members(redis_client(), group.id, [one.id for one in members])
    after = sum_of(redis_client(), group.id)
    assert (after.progress, after.states) == (before.progress, before.states)
    store(running, SUCCESS, bytes_read=9, total=9)
    assert group.progress() == GroupProgress(2, 0, 2, bytes_read=14, total=14, fraction=1.0)
    assert len(group.wait(20)) == 2


def test_a_member_that_was_taken_after_its_share_expired_counts_once(
    alone: Mapping[str, str],
) -> None:
    """It has waited for longer than records are kept."""
    [one] = uploads(1)
    group = Group.of([one])
    kept = json.loads(redis_client().get(result_key(one.id)))
    kept["result"]["total"] = 9  # its submitter could see the file
    assert replace(
        redis_client(), result_key(one.id), redis_client().get(result_key(one.id)),
        json.dumps(kept), 60,
    )  # fmt: skip
    redis_client().delete(groups_of_key(one.id), result_key(one.id))
    figures = {"bytes_read": 4, "total": 9, "percent": 44.44, "rate": 2}
    taken = json.dumps({**kept, "status": PROGRESS, "result": figures})
    assert replace(redis_client(), result_key(one.id), None, taken, 60)
    add_members(redis_client(), group.id, [one.id])
    found = sum_of(redis_client(), group.id)
    assert found.states == {PROGRESS: 1}
    assert (found.progress.bytes_read, found.progress.fraction) == (4, 0.4444)
    store(one, SUCCESS, bytes_read=9, total=9)
    assert group.progress() == GroupProgress(1, 0, 1, bytes_read=9, total=9, fraction=1.0)


def test_a_sum_that_vanished_is_not_taken_for_the_one_that_its_order_was_of(
    alone: Mapping[str, str],
) -> None:
    members = uploads(2)
    group = Group.of(members)
    redis_client().delete(group_sum_key(group.id))
    redis_client().delete(result_key(members[0].id))
    assert sum_of(redis_client(), group.id, [one.id for one in members]).states == {QUEUED: 1}
    assert redis_client().zrange(group_order_key(group.id), 0, -1) == [members[1].id.encode()]


def test_the_order_of_a_batch_is_kept_as_long_as_its_sum(alone: Mapping[str, str]) -> None:
    [one] = uploads(1)
    group = Group.of([one])
    store(one, PROGRESS, bytes_read=1, total=9)
    for key in (groups_of_key(one.id), group_sum_key(group.id), group_order_key(group.id)):
        redis_client().expire(key, 20)
    store(one, PROGRESS, bytes_read=2, total=9)
    assert redis_client().ttl(group_sum_key(group.id)) > 50
    assert redis_client().ttl(group_order_key(group.id)) > 50


@pytest.mark.parametrize("how", ["watch", "wait"])
def test_who_waits_for_a_member_whose_record_has_expired_does_not_do_so_for_ever(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(group_feed, "TELL_AGAIN", 0.0)
    monkeypatch.setattr(group_feed, "LOOK_AGAIN", 0.1)
    one, other = members = uploads(2)
    group = Group.of(members)
    store(one, SUCCESS, bytes_read=5, total=5)
    redis_client().delete(result_key(other.id))
    begun = time.monotonic()
    with pytest.raises(UnknownSubmission, match="1 of the group's 2"):
        list(group.watch(20)) if how == "watch" else group.wait(20)
    assert time.monotonic() - begun < 10


def test_a_record_of_another_type_counts_as_none(alone: Mapping[str, str]) -> None:
    one, other = uploads(2)
    redis_client().delete(result_key(other.id))
    redis_client().hset(result_key(other.id), "status", SUCCESS)
    with pytest.raises(UnknownSubmission, match="1 of the group's 2"):
        Group.of([one, other]).progress()


def test_a_member_without_a_record_is_an_error_of_the_whole(alone: Mapping[str, str]) -> None:
    [one] = uploads(1)
    group = Group.of([one, Submission(SOME_ID)])
    with pytest.raises(UnknownSubmission, match="1 of the group's 2"):
        group.progress()
    with pytest.raises(UnknownSubmission):
        next(group.watch(1))


def test_what_no_group_was_told_of_is_seen_after_a_while(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of an older version stores its records without a word."""
    monkeypatch.setattr("farm_tasks.submit.group_feed.TELL_AGAIN", 0.0)
    monkeypatch.setattr("farm_tasks.submit.group_feed.LOOK_AGAIN", 0.1)
    [one] = uploads(1)
    group = Group.of([one])
    meta = json.loads(redis_client().get(result_key(one.id)))
    seen = group.watch(20)
    assert next(seen).files_done == 0
    redis_client().set(result_key(one.id), json.dumps({**meta, "status": SUCCESS}))
    assert [progress.files_done for progress in seen] == [1]


def test_of_many_who_watch_a_silent_batch_one_reads_all_of_it(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_feed, "TELL_AGAIN", 1.0)
    monkeypatch.setattr(group_feed, "LOOK_AGAIN", 0.1)
    read: list[str] = []

    def count_and_add(redis: Any, group_id: str, submission_ids: Sequence[str]) -> None:
        read.append(group_id)
        add_members(redis, group_id, submission_ids)

    monkeypatch.setattr(group_feed, "add_members", count_and_add)
    group = Group.of(uploads(3))
    watchers = [threading.Thread(target=lambda: list(group.watch(4.5))) for _ in range(8)]
    for one in watchers:
        one.start()
    for one in watchers:
        one.join()
    assert 1 <= len(read) <= 5, "once a second at the most, however many watch"


def test_a_look_costs_the_same_for_any_number_of_members(alone: Mapping[str, str]) -> None:
    sent = []
    for count in (2, 500):
        group = Group.of(uploads(count))
        group.progress()
        redis_client().config_resetstat()
        group.progress()
        stats = redis_client().info("commandstats")
        sent.append({name: one["calls"] for name, one in stats.items() if "config" not in name})
    assert sent == [{"cmdstat_hgetall": 1}] * 2


def test_a_wait_that_is_too_short_says_how_many_run(alone: Mapping[str, str]) -> None:
    group = Group.of(uploads(3))
    with pytest.raises(StillRunning, match=r"3 of 3 submissions have not ended after 0\.1 s"):
        group.wait(0.1)
    assert FINAL_STATES.isdisjoint(sum_of(redis_client(), group.id).states)


def test_whoever_follows_a_group_has_one_subscription_and_sees_every_end(
    alone: Mapping[str, str],
) -> None:
    members = uploads(40)
    group = Group.of(members)
    seen = follow_members(group.id, [one.id for one in members], 20)
    first = [next(seen) for _ in members]
    assert {one.state for one in first} == {QUEUED}
    ends: dict[str, str] = {}
    channels: set[bytes] = set()

    def follow() -> None:
        for record in seen:
            channels.update(redis_client().pubsub_channels("celery-task-meta-*"))
            ends[record.id] = record.state

    thread = threading.Thread(target=follow)
    thread.start()
    for state in (STARTED, SUCCESS):
        for one in members:
            store(one, state, bytes_read=5, total=5)
    thread.join(20)
    assert ends == dict.fromkeys((one.id for one in members), SUCCESS)
    assert channels == {group_channel(group.id).encode()}


@pytest.mark.parametrize("loses_all", [False, True])
def test_a_watch_goes_on_when_redis_comes_back(
    alone: Mapping[str, str], broker: RedisServer, loses_all: bool
) -> None:
    redis_client().config_set("appendfsync", "always")
    [one] = uploads(1)
    group = Group.of([one])
    kept = redis_client().get(result_key(one.id))
    seen, records = group.watch(30), follow_members(group.id, [one.id], 30)
    assert (next(seen).files_done, next(records).state) == (0, QUEUED)
    broker.kill()
    broker.start()
    if loses_all:
        redis_client().flushall()
        # Its worker lives, and writes what it does.
        assert replace(redis_client(), result_key(one.id), None, kept, 60)
    ending = threading.Timer(0.5, store, [one, SUCCESS], {"bytes_read": 5, "total": 5})
    ending.start()
    assert [progress.files_done for progress in seen][-1] == 1
    assert [record.state for record in records][-1] == SUCCESS
    ending.join()


@pytest.mark.parametrize("how", ["watch", "wait", "records"])
def test_a_watch_ends_when_redis_comes_back_empty_and_nobody_writes(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Its queued members are lost, and no worker has them."""
    monkeypatch.setattr(group_feed, "LOOK_AGAIN", 0.1)
    members = uploads(3)
    group = Group.of(members)
    kept = redis_client().get(result_key(members[0].id))
    outcome: list[Exception | None] = []

    def watch() -> None:
        try:
            if how == "watch":
                list(group.watch())
            elif how == "wait":
                group.wait()
            else:
                list(follow_members(group.id, [one.id for one in members]))
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    wait_until(lambda: redis_client().pubsub_channels(group_channel(group.id)), 20)
    redis_client().flushall()
    redis_client().client_kill_filter(_type="pubsub")
    if how == "watch":  # the one that ran ends meanwhile
        assert replace(redis_client(), result_key(members[0].id), None, kept, 60)
        store(members[0], SUCCESS, bytes_read=5, total=5)
    thread.join(20)
    assert [type(one) for one in outcome] == [UnknownSubmission]


def test_a_sum_that_vanishes_is_made_again_and_its_members_are_waited_for(
    alone: Mapping[str, str],
) -> None:
    members = uploads(2)
    group = Group.of(members)
    kept = [redis_client().get(result_key(one.id)) for one in members]
    seen = group.watch(20)
    assert next(seen).files_total == 2
    store(members[0], STARTED)
    next(seen)  # subscribed
    redis_client().flushall()
    redis_client().publish(group_channel(group.id), members[0].id)
    assert next(seen).files_total == 0
    for one, record in zip(members, kept, strict=True):
        assert replace(redis_client(), result_key(one.id), None, record, 60)
        store(one, SUCCESS, bytes_read=5, total=5)
    assert list(seen)[-1].files_done == 2


def test_whoever_is_patient_has_all_told_again_now_and_then(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with each change: all members' records would be read a few times a second."""
    monkeypatch.setattr(group_feed, "LOOK_AGAIN", 60.0)
    [one, _] = members = uploads(2)
    group = Group.of(members)
    seen = group.watch(20)
    next(seen)
    store(one, STARTED)
    next(seen)  # subscribed
    told = 0

    def count(redis: Any, group_id: str, submission_ids: Sequence[str]) -> None:
        nonlocal told
        told += 1
        add_members(redis, group_id, submission_ids)

    monkeypatch.setattr(group_feed, "add_members", count)
    redis_client().client_kill_filter(_type="pubsub")
    for done in range(1, 5):
        store(one, PROGRESS, bytes_read=done, total=9)
        assert next(seen).bytes_read == done
    assert told == 1


@pytest.mark.parametrize("follows", ["sum", "members"])
def test_what_was_published_while_the_connection_broke_is_seen_at_once(
    alone: Mapping[str, str], follows: str
) -> None:
    """redis-py connects and subscribes again without an error."""
    [one] = uploads(1)
    group = Group.of([one])
    follow: Any = follow_sum if follows == "sum" else follow_members
    seen = follow(group.id, [one.id], 20)
    next(seen)
    store(one, STARTED)
    next(seen)  # subscribed
    redis_client().client_kill_filter(_type="pubsub")
    key = result_key(one.id)
    meta = json.loads(redis_client().get(key))
    redis_client().set(key, json.dumps({**meta, "status": SUCCESS}))
    assert len(list(seen)) == 1


def test_a_stage_is_news_though_the_sum_stays_as_it_is(alone: Mapping[str, str]) -> None:
    """A transfer that waits for Kitsu reports every few seconds: silence would mean a dead one."""
    [one] = uploads(1)
    group = Group.of([one])
    records = follow_members(group.id, [one.id], 20)
    assert next(records).state == QUEUED
    for stage in ("uploading", "waiting for Kitsu", "commenting"):
        store(one, PROGRESS, stage=stage, bytes_read=9, total=9)
        assert next(records).progress.stage == stage


def test_what_is_only_told_again_is_no_news(alone: Mapping[str, str]) -> None:
    """Else each watcher's look at all members would wake all others."""
    one, other = members = uploads(2)
    group = Group.of(members)
    with redis_client().pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(group_channel(group.id))
        add_members(redis_client(), group.id, [one.id])
        store(other, STARTED)
        assert wait_until(listening.get_message, 20)["data"] == other.id.encode()
