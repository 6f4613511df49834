"""A strict reader of multipart/form-data (RFC 7578), independent of what wrote it."""

from __future__ import annotations

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Part:
    """One part; ``filename`` and ``content_type`` are None where the part does not say."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """The parts of ``body``, in order.

    Raises:
        ValueError: it is not well formed to the letter.
    """
    found = re.fullmatch(
        r"multipart/form-data; boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})", content_type
    )
    if found is None:
        raise ValueError(f"not a multipart content type: {content_type!r}")
    delimiter = b"--" + found[1].encode()
    if not body.startswith(delimiter + b"\r\n") or not body.endswith(delimiter + b"--\r\n"):
        raise ValueError("the body does not begin and end with its delimiter")
    inner = body[len(delimiter) + 2 : -len(delimiter) - 4]
    if not inner:
        return []
    if not inner.endswith(b"\r\n"):
        raise ValueError("the last part does not end with a line break")
    return [_parse_part(raw) for raw in inner[:-2].split(b"\r\n" + delimiter + b"\r\n")]


def _parse_part(raw: bytes) -> Part:
    head, separator, content = raw.partition(b"\r\n\r\n")
    if not separator:
        raise ValueError(f"a part without an empty line: {raw[:80]!r}")
    headers = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b": ")
        if not colon:
            raise ValueError(f"not a header: {line!r}")
        headers[name.decode("ascii").lower()] = value.decode("utf-8", "surrogateescape")
    said = re.fullmatch(
        r'form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?',
        headers["content-disposition"],
    )
    if said is None:
        raise ValueError(f"not a disposition: {headers['content-disposition']!r}")
    return Part(
        name=_unescape(said[1]),
        content=content,
        filename=None if said[2] is None else _unescape(said[2]),
        content_type=headers.get("content-type"),
    )


def _unescape(text: str) -> str:
    """What browsers escape in names, and nothing else (WHATWG HTML, multipart/form-data)."""
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
