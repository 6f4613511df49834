from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.cli.previews import _safe


@given(st.text())
def test_a_name_from_kitsu_is_one_harmless_part_of_a_path(name: str) -> None:
    safe = _safe(name)
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\0\n')
    assert safe[0] not in ".- "
    assert len(safe.encode()) <= 48
    assert safe.isprintable()


def test_names_that_are_fine_stay_as_they_are() -> None:
    assert _safe("SH_010é") == "SH_010é"
    assert _safe("..") == "unnamed"
    assert _safe("a/../b") == "a-..-b"
