"""What a revision may be asked for as."""

from __future__ import annotations

import pytest

from farm_tasks.errors import InvalidArgument
from farm_tasks.revision import revision_of
from farm_tasks.thumbnail_frame import check_thumbnail


@pytest.mark.parametrize(
    ("policy", "name", "number"),
    [
        ("auto", "comp.mov", None),
        (3, "comp.mov", 3),
        ("12", "comp.mov", 12),
        ("from-name", "/p/v001/comp_v003.mov", 3),
        ("from-name", "/p/SH010-V12a/comp.mov", 12),
        ("from-name", "P:\\v7\\beauty.####.exr", 7),
        ("from-name", "/p/v2_to_v4.mov", 4),
    ],
)
def test_a_revision_is_a_number_or_comes_from_the_name(
    policy: int | str, name: str, number: int | None
) -> None:
    assert revision_of(policy, name) == number


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("from-name", "/p/mov2/hdv1080.mov"),
        ("newest", "a"),
        (0, "a"),
        (-1, "a"),
        (True, "a"),
        (100_000, "a"),
        ("9" * 5000, "a"),
        ("٣", "a"),
    ],
)
def test_what_is_no_revision_is_refused(policy: int | str, name: str) -> None:
    with pytest.raises(InvalidArgument, match="revision"):
        revision_of(policy, name)


@pytest.mark.parametrize("frame", ["", "0", 0, -1, True, "frist", "9" * 5000, "1.5"])
def test_what_is_no_frame_is_refused(frame: int | str) -> None:
    with pytest.raises(InvalidArgument, match="thumbnail"):
        check_thumbnail(frame)
