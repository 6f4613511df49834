"""Names and messages from outside, as a terminal or a log may show them."""

from __future__ import annotations

import unicodedata

# Bidirectional controls: a name that holds one is read as another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: object) -> str:
    """``text`` with every character that could steer a terminal or forge a line as an escape.

    Control characters, line breaks, bidirectional controls and undecodable bytes.
    """
    return "".join(map(_shown, str(text)))


def _shown(character: str) -> str:
    if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character
