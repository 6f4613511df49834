"""What a line of the log is made of; those of whole workers are in tests/operations."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from farm_tasks.cli import log_line
from farm_tasks.worker.logs import OneLine, OneObject
from tests.support.environment import environment_of


def _record(message: str, *, name: str = "farm_tasks.x", error: bool = False) -> logging.LogRecord:
    info = sys.exc_info() if error else None
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, None, info)


def test_an_error_is_one_line_of_json_with_its_traceback_in_a_field() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        line = OneObject().format(_record("It failed:\u2028 why", error=True))
    assert len(line.splitlines()) == 1
    told = json.loads(line)
    assert told["exception"] == "ValueError"
    assert "test_logs.py" in told["traceback"]
    assert told["level"] == "ERROR"


def test_what_could_forge_a_line_is_escaped_in_both_formats() -> None:
    record = _record("a\n2026 forged \x1b[2J")
    OneLine().filter(record)
    assert record.getMessage() == "a\\x0a2026 forged \\x1b[2J"
    assert json.loads(OneObject().format(record))["message"] == record.getMessage()


@pytest.mark.parametrize("logger", ["farm_tasks.x", "requests"])
def test_a_message_that_cannot_be_told_ends_no_transfer(logger: str) -> None:
    record = _record("%d bytes", name=logger)
    record.args = ("many",)
    assert OneLine(names_task=True).filter(record)
    assert record.getMessage().startswith("%d bytes cannot be told: TypeError(")
    json.loads(OneObject().format(record))


def test_what_the_command_warns_of_before_the_worker_begins_is_json_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with environment_of({"FARM_TASKS_LOG_FORMAT": "json"}):
        log_line.write(logging.WARNING, "KITSU_HOST is not set")
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["message"]) == ("WARNING", "KITSU_HOST is not set")
