from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from celery.exceptions import Retry
from celery.utils.saferepr import saferepr

from farm_tasks.errors import ExtensionRefused, TooManyRequests
from farm_tasks.monitor.flower.figures import as_json, file_in, number, words


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ExtensionRefused("Kitsu takes no .ma as a preview."), "Kitsu takes no .ma as a preview."),
        (TooManyRequests("Kitsu answered 429.", 3.0), "Kitsu answered 429."),
        (ExtensionRefused('It\'s "quoted"\nhere'), 'It\'s "quoted"\nhere'),
        (Retry("later", TooManyRequests("Kitsu answered 429.", 3.0)), "Kitsu answered 429."),
        (KeyError("id"), "KeyError: id"),
        (ValueError(), "ValueError()"),
        (ValueError(1), "ValueError(1)"),
    ],
)
def test_an_error_in_an_event_reads_in_words(error: Exception, said: str) -> None:
    assert words(saferepr(error)) == said


def test_what_is_no_error_is_told_as_it_came() -> None:
    assert words(None) == ""
    assert words("cut off('...") == "cut off('..."
    assert words("1 + 1") == "1 + 1"


def test_numbers_are_numbers() -> None:
    assert number(42.5) == 42.5
    for other in (None, "42", "<img>", True, float("nan"), float("inf"), [1]):
        assert number(other) is None


def test_the_file_is_known_before_the_first_byte_moves() -> None:
    assert file_in("{'comment': 'c1', 'file_path': '/projects/a.mov'}") == "/projects/a.mov"
    for other in (None, "{}", "{'file_path': '/projects/a...", "[1]", "{'file_path': 3}"):
        assert file_in(other) is None


def test_nothing_in_a_task_can_end_the_script_element() -> None:
    task = SimpleNamespace(uuid="1", file="</script><script>alert(1)</script>&amp;")
    text = as_json(task, read_only=False)
    assert not set("<>&") & set(text)
    assert json.loads(text)["file"] == task.file
