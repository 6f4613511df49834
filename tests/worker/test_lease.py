"""One owner at a time: taken, renewed, lost, inherited."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from farm_tasks.worker import lease as leases
from farm_tasks.worker.lease import Keeper, Lease, LostOwnership, is_dead
from farm_tasks.worker.ledger import RedisLedger
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

KEY = "farm-tasks:lease:one"

TAKE = """
import sys
from redis import Redis
from farm_tasks.worker.lease import Lease
lease = Lease(Redis.from_url(sys.argv[1]), sys.argv[2])
print(lease.take() is None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


class OtherProcess:
    """Holds a lease until it is killed."""

    def __init__(self, redis_server: RedisServer) -> None:
        command = [sys.executable, "-c", TAKE, redis_server.url(1), KEY]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"True\n"

    def kill(self, reap: bool = True) -> None:
        self.process.kill()
        if reap:
            self.process.communicate()


@pytest.fixture
def other(redis_server: RedisServer, redis: Redis) -> Iterator[OtherProcess]:
    process = OtherProcess(redis_server)
    yield process
    process.kill()


def test_of_two_one_gets_it_and_the_other_hears_whose_it_is(redis: Redis) -> None:
    first, second = Lease(redis, KEY), Lease(redis, KEY)
    assert first.take() is None
    assert first.take() is None
    assert second.take() == first.owner
    first.release()
    assert second.take() is None
    assert not second.followed_a_crash
    assert first.take() == second.owner
    first.release()  # not its own any more
    assert first.take() == second.owner


def test_of_twenty_at_once_one_gets_it(redis_server: RedisServer) -> None:
    gate = threading.Barrier(20)
    taken = []

    def take() -> None:
        with redis_server.client() as client:
            lease = Lease(client, KEY)
            gate.wait()
            if lease.take() is None:
                taken.append(lease.owner)

    threads = [threading.Thread(target=take) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(taken) == 1


def test_that_of_a_process_which_was_killed_on_this_machine_is_free_at_once(
    redis: Redis, other: OtherProcess
) -> None:
    lease = Lease(redis, KEY)
    assert lease.take() is not None
    other.kill()
    assert lease.take() is None
    assert lease.followed_a_crash


def test_a_process_that_nobody_has_reaped_yet_is_dead(redis: Redis, other: OtherProcess) -> None:
    other.kill(reap=False)
    lease = Lease(redis, KEY)
    wait_until(lambda: lease.take() is None, 10)


def test_a_process_of_another_machine_and_one_that_lives_are_not_known_to_be_dead() -> None:
    mine = Lease(None, KEY).owner
    assert not is_dead(mine)
    machine, pid, started, number = mine.rsplit("/", 3)
    assert not is_dead(f"elsewhere/{pid}/{started}/{number}")
    # The kernel has given the number to another process since.
    assert is_dead(f"{machine}/{pid}/{int(started) - 1}/{number}")
    # Somebody else's process, of which nothing may be known.
    assert not is_dead(f"{machine}/1/{_started(1)}/{number}")


def _started(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[19]


def test_one_that_is_not_renewed_is_suspected_first_and_taken_then(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE", 0.2)
    monkeypatch.setattr(leases, "SUSPICION", 0.3)
    owner, heir = Lease(redis, KEY), Lease(redis, KEY)
    assert owner.take() is None
    wait_until(lambda: heir.take() == owner.owner and redis.hget(KEY, "since"), 5)
    suspected = float(redis.hget(KEY, "since") or 0)
    wait_until(lambda: heir.take() is None, 5)
    seconds, microseconds = redis.time()
    assert seconds + microseconds / 1e6 - suspected > 0.3
    assert heir.followed_a_crash


def test_a_renewal_ends_the_suspicion(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that could not renew while Redis was away does so before it is taken for dead."""
    monkeypatch.setattr(leases, "LEASE", 0.2)
    monkeypatch.setattr(leases, "SUSPICION", 0.1)
    monkeypatch.setattr(leases, "RENEWAL", 0.05)
    owner, heir = Lease(redis, KEY), Lease(redis, KEY)
    assert owner.take() is None
    wait_until(lambda: heir.take() == owner.owner and redis.hget(KEY, "since"), 5)
    keeper = Keeper(lambda: redis)
    keeper.keep(owner, lambda: None)
    before = redis.hget(KEY, "renewed")
    wait_until(lambda: redis.hget(KEY, "renewed") != before, 5)
    for _ in range(20):
        assert heir.take() == owner.owner
    keeper.let_go(owner)


def test_the_keeper_tells_that_a_lease_was_lost(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWAL", 0.05)
    lost = threading.Event()
    owner = Lease(redis, KEY)
    assert owner.take() is None
    keeper = Keeper(lambda: redis)
    keeper.keep(owner, lost.set)
    redis.hset(KEY, "owner", "somebody/1/1/else")
    assert lost.wait(5)


def test_the_keeper_raises_no_alarm_about_one_that_its_owner_has_released(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWAL", 0.05)
    lost = threading.Event()
    owner, other = Lease(redis, KEY), Lease(redis, f"{KEY}-other")
    assert owner.take() is None
    assert other.take() is None
    keeper = Keeper(lambda: redis)
    keeper.keep(owner, lost.set)
    keeper.keep(other, lost.set)
    owner.ends = True
    redis.hset(KEY, "owner", "")  # with the record of its end, before the keeper hears of it
    renewed = redis.hget(other.key, "renewed")
    wait_until(lambda: redis.hget(other.key, "renewed") != renewed, 5)
    renewed = redis.hget(other.key, "renewed")
    wait_until(lambda: redis.hget(other.key, "renewed") != renewed, 5)
    assert not lost.is_set()


def test_what_is_read_with_it_is_read_once_it_is_ours(redis: Redis) -> None:
    redis.set("what", "before")
    owner, answers = Lease(redis, KEY).take_and_look(lambda pipeline: pipeline.get("what"))
    assert (owner, answers) == (None, [b"before"])


def test_the_keeper_outlives_an_outage_and_asserts_what_redis_has_forgotten(
    redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWAL", 0.05)
    lost = threading.Event()
    owner = Lease(redis, KEY)
    assert owner.take() is None
    keeper = Keeper(redis_server.client)
    keeper.keep(owner, lost.set)
    redis_server.kill()
    redis_server.start()
    redis.delete(KEY)
    wait_until(lambda: redis.hget(KEY, "owner") == owner.owner.encode(), 10)
    assert not lost.is_set()
    keeper.let_go(owner)


def test_owners_differ_within_a_process_and_name_it(redis: Redis) -> None:
    one, two = Lease(redis, KEY).owner, Lease(redis, KEY).owner
    assert one != two
    assert f"/{os.getpid()}/" in one


def test_an_owner_that_wakes_up_when_its_heir_has_ended_has_lost_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was suspended goes on where it was, as if nothing had happened."""
    sleeper, heir = Lease(redis, KEY), Lease(redis, KEY)
    keeper = Keeper(lambda: redis)
    assert sleeper.take() is None
    redis.delete(KEY)
    assert heir.take() is None
    heir.release()
    ledger = RedisLedger(redis, "one", sleeper, keeper, lambda: None)
    with pytest.raises(LostOwnership):
        ledger.write("comment", {"state": "trying"})
    assert ledger.read("comment") is None
    lost = threading.Event()
    monkeypatch.setattr(leases, "RENEWAL", 0.05)
    keeper.keep(sleeper, lost.set)
    assert lost.wait(5)
    assert Lease(redis, KEY).take() is None


def test_of_a_lease_that_was_released_redis_keeps_little_and_not_for_ever(redis: Redis) -> None:
    lease = Lease(redis, KEY)
    lease.take()
    lease.release()
    assert redis.hget(KEY, "owner") == b""
    assert 0 < redis.ttl(KEY) <= 6 * 3600
