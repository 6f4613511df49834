"""How much of an upload is handed over at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.transfer.piece_size import LEAST_BYTES, MOST_BYTES, PIECE_SECONDS, PieceSize


def test_a_fast_line_gets_large_pieces_soon() -> None:
    size = PieceSize()
    arrived = pieces = 0
    while size.bytes < MOST_BYTES:
        arrived += size.bytes
        pieces += 1
        size.note(size.bytes, 0.0001, arrived)
    assert pieces <= 8


def test_what_a_kernel_has_taken_is_no_sign_of_a_fast_line() -> None:
    size = PieceSize()
    for _ in range(100):
        size.note(size.bytes, 0.0001, arrived=50_000)
    assert size.bytes <= 50_000


def test_small_pieces_are_no_sign_that_the_line_carries_large_ones() -> None:
    """What a limit leaves of a piece; when it is lifted, the line may be slow all the same."""
    size = PieceSize()
    for _ in range(100):
        size.note(4096, 0.0001, arrived=10**9)
    assert size.bytes == LEAST_BYTES
    size.note(LEAST_BYTES, 0.0001, arrived=10**9)
    assert size.bytes == 2 * LEAST_BYTES


def test_a_line_that_becomes_slow_gets_what_it_takes_in_a_moment() -> None:
    size = PieceSize()
    size.bytes = MOST_BYTES
    size.note(MOST_BYTES, MOST_BYTES / 1e6, arrived=10**9)
    assert size.bytes == int(1e6 * PIECE_SECONDS)
    size.note(size.bytes, 60, arrived=10**9)
    assert size.bytes == LEAST_BYTES


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(-1, 10**12))))
def test_a_size_stays_within_its_bounds(pieces: list[tuple[float, int]]) -> None:
    size = PieceSize()
    for seconds, arrived in pieces:
        size.note(size.bytes, seconds, arrived)
        assert LEAST_BYTES <= size.bytes <= MOST_BYTES
