"""The newest submissions, and those in some states among many."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from farm_tasks import submit
from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, QUEUED, SUCCESS, result_key
from farm_tasks.submit import Submission, listing
from farm_tasks.submit.connection import redis_client
from tests.cli.records import store
from tests.support.failing_kitsu import SOME_ID


@pytest.fixture
def uploads(alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> list[Submission]:
    """Twelve, over several pages: the first has failed and the third has not been seen since."""
    monkeypatch.setattr(listing, "_PAGE", 5)
    found = [submit.upload_working_file(SOME_ID, f"/p/{number}") for number in range(12)]
    store(found[0].id, FAILURE, Rejected("no"))
    redis_client().delete(result_key(found[2].id))
    return found


def ids(*states: str, limit: int = 50) -> list[str]:
    return [one.id for one in submit.recent(limit, states or None)]


def test_the_newest_come_first_without_those_that_have_expired(uploads: list[Submission]) -> None:
    wanted = [one.id for one in reversed(uploads) if one != uploads[2]]
    assert ids() == wanted
    assert ids(limit=3) == wanted[:3]
    assert ids(limit=7) == wanted[:7]


def test_those_in_some_states_are_found_on_any_page(uploads: list[Submission]) -> None:
    assert ids(FAILURE) == [uploads[0].id]
    assert ids(SUCCESS) == []
    assert len(ids(FAILURE, QUEUED)) == 11
    assert ids(QUEUED, limit=2) == [uploads[11].id, uploads[10].id]


def test_what_only_says_a_state_is_not_in_it(uploads: list[Submission]) -> None:
    comments = submit.batch_comments([{"status": "FAILURE"}])
    assert comments.id not in ids(FAILURE)
    assert comments.id in ids(QUEUED)


def test_records_that_are_in_no_wanted_state_stay_in_redis(uploads: list[Submission]) -> None:
    for number in range(50):
        submit.upload_working_file(SOME_ID, f"/p/more/{number}")
    record = len(redis_client().get(result_key(uploads[0].id)))
    before = redis_client().info("stats")["total_net_output_bytes"]
    assert len(ids(FAILURE)) == 1
    after = redis_client().info("stats")["total_net_output_bytes"]
    assert after - before < 25 * record  # the answer of INFO is in it


def test_a_key_of_another_type_hides_no_other_submission(uploads: list[Submission]) -> None:
    redis_client().hset(result_key(uploads[2].id), "status", FAILURE)
    assert ids(FAILURE) == [uploads[0].id]
    assert len(ids()) == 11


def test_the_last_one_behind_many_that_have_expired_is_found_in_few_looks(
    alone: Mapping[str, str],
) -> None:
    first, *expired = [submit.upload_working_file(SOME_ID, "/p/a") for _ in range(60)]
    redis_client().delete(*(result_key(one.id) for one in expired))
    redis_client().config_resetstat()
    assert ids(limit=1) == [first.id]
    assert redis_client().info("commandstats")["cmdstat_zrevrange"]["calls"] == 2
