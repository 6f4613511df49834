"""What an error says of a name that is none, whoever was asked for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farm_tasks import queues
from farm_tasks.batches.columns import argument_of
from farm_tasks.batches.folder_pattern import rows_in
from farm_tasks.batches.naming import Template
from farm_tasks.errors import InvalidArgument
from farm_tasks.near import did_you_mean


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda: queues.named("Upload"), "uploads"),
        (lambda: argument_of("Task_Statsu"), "task_status"),
        (lambda: rows_in("/p/{Sequense}.mov"), "sequence"),
        (lambda: Template("{Sequense}.{extension}"), "sequence"),
    ],
)
def test_whoever_is_asked_says_what_comes_near(ask: Callable[[], object], meant: str) -> None:
    with pytest.raises(InvalidArgument, match=f"Did you mean .*{meant}"):
        ask()


def test_what_comes_near_does_not_depend_on_capitals() -> None:
    assert did_you_mean("sh0100", ["SH010", "Robot"]) == "Did you mean SH010?"


def test_where_nothing_comes_near_the_first_few_are_listed() -> None:
    names = [f"SH{number:03}" for number in range(10, 80, 10)]
    assert did_you_mean("x", names) == "There are SH010, SH020, SH030, SH040, SH050, ..."
    assert did_you_mean("x", [], ["b", "a"]) == "There are b, a."
    assert did_you_mean("x" * 100_000, []) == "It has none."
