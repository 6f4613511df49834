from __future__ import annotations

import pytest
from celery.exceptions import Retry
from celery.utils.saferepr import saferepr

from farm_tasks.errors import ExtensionRefused, TooManyRequests
from farm_tasks.monitor.words import words


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
