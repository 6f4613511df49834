"""Downloads: resumed where the connection broke, byte for byte, or not at all."""

# ruff: noqa: PT012 (what must not raise stands outside of what must)

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farm_tasks.errors import (
    ConnectionLost,
    ContentChanged,
    EntityNotFound,
    FarmTasksError,
    ServerUnavailable,
    Stalled,
)
from farm_tasks.transfer.download import READ_BYTES, Download
from farm_tasks.transfer.session import Limits, TransferSession
from tests.servers import Exchange, LoopbackServer, ServedFile, status
from tests.transfer.conftest import IMPATIENT, OpenSession

CONTENT = os.urandom(300_007)
QUICK = Limits(connect_timeout=2, read_timeout=2, resumes=2)


def fetch(session: TransferSession, url: str) -> bytes:
    """The way gazu downloads."""
    with session.get(url, stream=True) as answer:
        assert isinstance(answer, Download)
        return b"".join(answer.iter_content(8192))


def fetched_until_failure(session: TransferSession, url: str) -> tuple[bytes, FarmTasksError]:
    """What arrived before the error, and the error."""
    arrived = b""
    with session.get(url, stream=True) as answer, pytest.raises(FarmTasksError) as raised:
        for piece in answer.iter_content(8192):
            arrived += piece
    return arrived, raised.value


def test_a_file_arrives_as_it_is(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT)) as server:
        assert fetch(session, server.url) == CONTENT
        assert len(server.exchanges) == 1


def test_the_answer_can_stand_in_for_one_of_requests(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT)) as server:
        answer = session.get(server.url, stream=True)
        assert answer.status_code == 200
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        assert answer.headers["Content-Type"] == "video/quicktime"
        assert answer.content == CONTENT
        assert answer.content == CONTENT, "a second time, from memory"
        assert b"".join(answer.iter_content(1000)) == CONTENT


def test_an_empty_file_is_an_empty_file(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(b"")) as server:
        assert fetch(session, server.url) == b""


@pytest.mark.parametrize("with_reset", [False, True])
def test_many_cuts_later_the_file_is_byte_identical(
    session: TransferSession, with_reset: bool
) -> None:
    content = os.urandom(1024 * 1024 + 7) * 24
    served = ServedFile(content, cut_after=4 * 1024 * 1024, cut_with_reset=with_reset)
    with LoopbackServer(served) as server:
        assert fetch(session, server.url) == content
    resumed = server.exchanges[1:]
    assert len(resumed) > IMPATIENT.resumes, "more cuts than a row of failures may have"
    assert all(exchange.headers["if-range"] == '"version-1"' for exchange in resumed)


def test_cuts_are_forgiven_by_what_arrives_between_them_all(session: TransferSession) -> None:
    content = os.urandom(4 * READ_BYTES)
    with LoopbackServer(ServedFile(content, cut_after=READ_BYTES // 2)) as server:
        assert fetch(session, server.url) == content
        assert len(server.exchanges) == 8 > IMPATIENT.resumes


def test_a_server_that_cuts_after_every_byte_is_not_asked_for_ever(
    open_session: OpenSession,
) -> None:
    session = open_session(limits=QUICK)
    with LoopbackServer(ServedFile(CONTENT, cut_after=1)) as server:
        arrived, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 1 + QUICK.resumes
    assert type(error) is ConnectionLost
    assert arrived == CONTENT[:3]


def test_not_even_a_first_cut_is_followed_by_a_request_at_once(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT, cut_after=100_000, cuts=1)) as server:
        pieces = session.get(server.url, stream=True).iter_content(8192)
        arrived = 0
        while arrived < 100_000:
            arrived += len(next(pieces))
        cut_at = time.monotonic()
        arrived += sum(map(len, pieces))
        assert time.monotonic() - cut_at >= 0.04
    assert arrived == len(CONTENT)


class Unhurried(TransferSession):
    """Does not wait before it asks again."""

    def pause(self, seconds: float) -> None:
        self.check()


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(size=st.integers(0, 3000), cut_after=st.integers(1, 1500), cuts=st.integers(0, 4))
def test_any_size_survives_any_cut(size: int, cut_after: int, cuts: int) -> None:
    served = ServedFile(CONTENT[:size], cut_after=cut_after, cuts=cuts)
    with LoopbackServer(served) as server, Unhurried(limits=IMPATIENT) as session:
        assert fetch(session, server.url) == CONTENT[:size]


def test_the_token_goes_with_every_resume(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000)
    with LoopbackServer(served) as server:
        bearer = {"Authorization": "Bearer secret"}
        with session.get(server.url, headers=bearer, stream=True) as answer:
            assert answer.content == CONTENT
        assert [e.headers["authorization"] for e in server.exchanges] == ["Bearer secret"] * 4


@pytest.mark.parametrize("etag", [None, 'W/"weak"', "unquoted"])
def test_without_a_strong_etag_a_cut_is_final(session: TransferSession, etag: str | None) -> None:
    served = ServedFile(CONTENT, etag=etag, cut_after=100_000, cuts=1)
    with LoopbackServer(served) as server:
        arrived, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 1
    assert type(error) is ConnectionLost
    assert CONTENT.startswith(arrived)


def test_a_stall_is_resumed_like_a_cut(open_session: OpenSession) -> None:
    served = ServedFile(CONTENT, stall_after=100_000)

    def recover(exchange: Exchange) -> None:
        served.stall_after = None

    served.at_resume = recover
    session = open_session(limits=Limits(read_timeout=0.3))
    with LoopbackServer(served) as server:
        assert fetch(session, server.url) == CONTENT
        assert len(server.exchanges) == 2


def test_a_stall_that_cannot_be_resumed_is_a_stall(open_session: OpenSession) -> None:
    session = open_session(limits=Limits(read_timeout=0.3))
    with LoopbackServer(ServedFile(CONTENT, etag=None, stall_after=100_000)) as server:
        arrived, error = fetched_until_failure(session, server.url)
    assert arrived == CONTENT[:100_000]
    assert type(error) is Stalled


def test_a_trickle_below_the_least_rate_is_a_stall(open_session: OpenSession) -> None:
    session = open_session(limits=Limits(least_rate=100_000, rate_window=0.3, resumes=0))
    with LoopbackServer(ServedFile(CONTENT, trickle=(100, 0.01))) as server:
        _, error = fetched_until_failure(session, server.url)
    assert type(error) is Stalled
    assert "bytes/s" in str(error)


def test_a_trickle_does_not_go_on_for_ever_by_resuming(open_session: OpenSession) -> None:
    session = open_session(limits=Limits(least_rate=1e6, rate_window=0.2, resumes=2))
    with LoopbackServer(ServedFile(CONTENT, trickle=(100, 0.01))) as server:
        _, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 1 + 2
    assert type(error) is Stalled


def test_a_slow_disk_is_not_taken_for_a_slow_server(open_session: OpenSession) -> None:
    session = open_session(limits=Limits(least_rate=1e6, rate_window=0.2, resumes=0))
    with LoopbackServer(ServedFile(CONTENT[:200_000])) as server:
        arrived = b""
        with session.get(server.url, stream=True) as answer:
            for piece in answer.iter_content(8192):
                arrived += piece
                time.sleep(0.15)  # the disk
    assert arrived == CONTENT[:200_000]


def test_a_stall_after_the_last_byte_is_no_failure(open_session: OpenSession) -> None:
    """The rate is looked at after a piece, and the last one may be what makes it too low."""
    session = open_session(limits=Limits(least_rate=1e9, rate_window=0.05, resumes=0))
    served = ServedFile(CONTENT[:10], trickle=(10, 0.0))

    def late(exchange: Exchange) -> None:
        exchange.reply_head(200, {"Content-Length": "10", "ETag": '"1"'})
        exchange.closing.wait(0.2)
        exchange.send(served.content)

    with LoopbackServer(late) as server:
        assert fetch(session, server.url) == CONTENT[:10]


def test_progress_is_seen_early_on_a_trickle(session: TransferSession) -> None:
    served = ServedFile(CONTENT[:1000], stall_after=100)

    with LoopbackServer(served) as server:
        answer = session.get(server.url, stream=True)
        assert next(answer.iter_content(1024 * 1024)) == CONTENT[:100]
        answer.close()


def replaced(served: ServedFile) -> Any:
    served.content, served.etag = os.urandom(len(CONTENT)), '"version-2"'


def cannot_do_ranges_any_more(served: ServedFile) -> None:
    served.ignores_ranges, served.etag = True, '"version-2"'


def shorter(served: ServedFile) -> None:
    served.content = CONTENT[:50_000]


def longer(served: ServedFile) -> None:
    served.content = CONTENT + b"more"


def wrong_place(served: ServedFile) -> None:
    served.content_range = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"


def wrong_end(served: ServedFile) -> None:
    served.content_range = f"bytes 100000-100001/{len(CONTENT)}"


def no_sense(served: ServedFile) -> None:
    served.content_range = "bytes */*"


@pytest.mark.parametrize(
    "change",
    [replaced, cannot_do_ranges_any_more, shorter, longer, wrong_place, wrong_end, no_sense],
)
def test_anything_but_the_very_rest_of_the_same_file_is_changed_content(
    session: TransferSession, change: Callable[[ServedFile], None]
) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1)
    served.at_resume = lambda _: change(served)
    with LoopbackServer(served) as server:
        arrived, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 2
    assert type(error) is ContentChanged
    assert arrived == CONTENT[:100_000]


def test_another_etag_in_a_206_is_changed_content(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1)

    def lie(exchange: Exchange) -> None:
        exchange.headers["if-range"] = served.etag = '"version-2"'

    served.at_resume = lie
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
    assert type(error) is ContentChanged


def test_the_same_file_without_ranges_is_a_lost_connection(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, ignores_ranges=True)
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 2
    assert type(error) is ConnectionLost


def answering(*codes: int, retry_after: object = None) -> Callable[[Exchange], bool]:
    """Answers the first resumes with these, and leaves the rest to the file."""
    left = list(codes)

    def answer(exchange: Exchange) -> bool:
        if left:
            status(left.pop(0), "<html>", retry_after=retry_after)(exchange)
            return True
        return False

    return answer


@pytest.mark.parametrize("codes", [[503], [502, 504], [429], [500], [503, 503, 429]])
def test_a_server_that_is_away_for_a_moment_is_asked_again(
    session: TransferSession, codes: list[int]
) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1, at_resume=answering(*codes))
    with LoopbackServer(served) as server:
        assert fetch(session, server.url) == CONTENT
        assert len(server.exchanges) == 2 + len(codes)


def test_a_retry_after_is_waited_for(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1)
    served.at_resume = answering(503, retry_after=1)
    started = time.monotonic()
    with LoopbackServer(served) as server:
        assert fetch(session, server.url) == CONTENT
    assert time.monotonic() - started >= 1.0


def test_a_long_retry_after_is_left_to_the_one_who_can_wait(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1)
    served.at_resume = answering(503, retry_after=3600)
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
    assert isinstance(error, ServerUnavailable)
    assert error.retry_after == 3600


def test_a_token_that_ends_meanwhile_is_worth_another_try(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1, at_resume=answering(401))
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
    assert type(error) is ConnectionLost


def test_a_file_that_is_deleted_meanwhile_is_not_found(session: TransferSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000, cuts=1, at_resume=answering(404))
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 2
    assert type(error) is EntityNotFound


def gone(exchange: Exchange) -> bool:
    exchange.reset()
    return True


def test_a_server_that_never_comes_back_ends_the_download(open_session: OpenSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000)
    with LoopbackServer(served) as server:
        served.at_resume = gone
        _, error = fetched_until_failure(open_session(limits=QUICK), server.url)
    assert type(error) is ConnectionLost


def test_resumes_that_bring_nothing_are_counted(open_session: OpenSession) -> None:
    served = ServedFile(CONTENT, cut_after=100_000)

    def nothing(exchange: Exchange) -> None:
        served.cut_after = 0

    served.at_resume = nothing
    with LoopbackServer(served) as server:
        arrived, error = fetched_until_failure(open_session(limits=QUICK), server.url)
        assert len(server.exchanges) == 1 + 2
    assert type(error) is ConnectionLost
    assert arrived == CONTENT[:100_000]


def test_a_body_shorter_than_its_declared_length_is_not_taken_for_whole(
    session: TransferSession,
) -> None:
    served = ServedFile(CONTENT, etag=None, declared_length=len(CONTENT) + 1)
    with LoopbackServer(served) as server:
        _, error = fetched_until_failure(session, server.url)
    assert type(error) is ConnectionLost


def test_what_comes_after_the_declared_length_is_not_read(session: TransferSession) -> None:
    served = ServedFile(CONTENT, declared_length=1000)
    with LoopbackServer(served) as server:
        assert fetch(session, server.url) == CONTENT[:1000]
        served.declared_length = None
        assert fetch(session, server.url) == CONTENT, "nor taken for the next answer"


def test_chunks_without_a_length_arrive_whole(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT, chunked=True)) as server:
        answer = session.get(server.url, stream=True)
        assert "Content-Length" not in answer.headers
        assert answer.content == CONTENT


def test_chunks_that_break_off_are_not_taken_for_whole(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT, chunked=True, cut_after=100_000)) as server:
        _, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 1, "without a length there is nothing to resume"
    assert type(error) is ConnectionLost


def test_gzip_that_nobody_asked_for_is_unpacked(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT, compressed=True)) as server:
        answer = session.get(server.url, stream=True)
        assert "Content-Length" not in answer.headers, "it would be that of the packed bytes"
        assert b"".join(answer.iter_content(8192)) == CONTENT


def test_gzip_is_never_resumed(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT, compressed=True, cut_after=50_000)) as server:
        _, error = fetched_until_failure(session, server.url)
        assert len(server.exchanges) == 1
    assert type(error) is ConnectionLost


def test_a_reader_that_stops_leaves_no_connection_behind(session: TransferSession) -> None:
    with LoopbackServer(ServedFile(CONTENT * 20)) as server:
        with session.get(server.url, stream=True) as answer:
            next(answer.iter_content(8192))
        assert answer.raw.closed
        assert fetch(session, server.url) == CONTENT * 20
