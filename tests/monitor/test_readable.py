from __future__ import annotations

from farm_tasks.monitor.readable import LONGEST, number, text


def test_numbers_are_numbers() -> None:
    assert number(42.5) == 42.5
    for other in (None, "42", "<img>", True, float("nan"), float("inf"), [1], 10**400):
        assert number(other) is None


def test_texts_end_somewhere_and_can_be_sent() -> None:
    assert text("sh\u00f6t.ma") == "sh\u00f6t.ma"
    assert text(b"sh\xf6t.ma".decode(errors="surrogateescape")) == "sh\\udcf6t.ma"
    assert len(text("x" * 10**6) or "") == LONGEST
    for other in (None, 5, ["x"], b"x"):
        assert text(other) is None
