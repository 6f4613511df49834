"""How much of an upload is handed to a socket at a time.

A piece has to be taken whole within the send timeout, and is counted as a whole: on a slow line a
large one ends the upload, or is seconds of a bar that stands.
"""

from __future__ import annotations

MOST_BYTES = 512 * 1024
"""Large enough for full speed."""

LEAST_BYTES = 16 * 1024
"""What one record of TLS holds (RFC 8446 5.1)."""

PIECE_SECONDS = 0.1
"""So long a piece may take at most, once the line is known to be slow."""


class PieceSize:
    """The size of the next piece: as large as the line has shown that it carries.

    A piece that is taken at once shows little: the kernel has taken it, not the line. So a size is
    only doubled up to what has arrived. Nor does a small piece, such as a limit leaves or a small
    file is, show that a large one is carried: the next one is at most twice as large.

    Attributes:
        bytes: The size, from :data:`LEAST_BYTES` to :data:`MOST_BYTES`.
    """

    def __init__(self) -> None:
        self.bytes = LEAST_BYTES

    def note(self, size: int, seconds: float, arrived: int) -> None:
        """Learn from a piece.

        Args:
            size: Its bytes.
            seconds: How long the socket took to take it.
            arrived: Bytes of the upload that have arrived by now.
        """
        if seconds > PIECE_SECONDS:
            self.bytes = max(LEAST_BYTES, int(size * PIECE_SECONDS / seconds))
        elif seconds < PIECE_SECONDS / 4:
            self.bytes = max(self.bytes, min(MOST_BYTES, 2 * size, arrived))
