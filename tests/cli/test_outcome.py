from __future__ import annotations

from farm_tasks.cli.outcome import as_dict, exit_code, reason, worst
from farm_tasks.errors import NotAllowed, ServerUnavailable
from farm_tasks.states import FAILURE, PROGRESS, RETRY, REVOKED, SUCCESS
from tests.cli.records import record


def test_only_what_ended_badly_has_an_exit_code() -> None:
    assert exit_code(record(PROGRESS)) == 0
    assert exit_code(record(SUCCESS)) == 0
    assert exit_code(record(RETRY, error=ServerUnavailable("502"))) == 0
    assert exit_code(record(FAILURE, error=NotAllowed("no"))) == 4
    assert exit_code(record(FAILURE, error=ServerUnavailable("502"))) == 75
    assert exit_code(record(FAILURE, error=ValueError("a bug"))) == 5
    assert exit_code(record(REVOKED)) == 5


def test_a_final_failure_is_worse_than_one_that_may_be_retried() -> None:
    assert worst([]) == 0
    assert worst([0, 75, 0]) == 75
    assert worst([75, 3, 0]) == 3
    assert worst([3, 5, 4, 75]) == 5


def test_a_record_is_one_flat_object() -> None:
    shown = as_dict(
        record(FAILURE, bytes_read=5, total=10, file="/a", error=NotAllowed("no"), worker="w")
    )
    assert shown["bytes_read"] == 5
    assert shown["percent"] == 50.0
    assert shown["worker"] == "w"
    assert shown["error"] == {
        "type": "NotAllowed", "message": "no", "retryable": False, "exit_code": 4,
    }  # fmt: skip


def test_an_error_of_somebody_else_is_told_with_its_name() -> None:
    assert reason(record(FAILURE, error=ValueError("a bug"))) == "ValueError: a bug"
    assert reason(record(SUCCESS)) == ""
