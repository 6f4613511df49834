"""A handler that serves one file, with ranges (RFC 9110 14) and with faults."""

from __future__ import annotations

import dataclasses
import gzip
import re
import time
from collections.abc import Callable

from tests.servers.loopback import Exchange

SEND_BYTES = 64 * 1024


@dataclasses.dataclass
class ServedFile:
    """What is served, and what goes wrong meanwhile. Fields may be changed between requests.

    Attributes:
        content: The bytes of the file.
        etag: The entity tag, quotes and all; None for none.
        cut_after: Bytes of each answer's body after which the connection is cut.
        cuts: How many answers are cut; None for all that ``cut_after`` is long enough for.
        cut_with_reset: Cut with a RST instead of an orderly end.
        stall_after: Bytes of the body after which nothing more is sent, the connection kept open.
        trickle: ``(bytes, seconds)``: so many at a time, so far apart.
        declared_length: What Content-Length says, where it lies.
        chunked: Send chunks and no Content-Length.
        compressed: Send gzip whatever was asked for.
        ignores_ranges: Answer 200 with everything to every request.
        content_range: What Content-Range says, where it lies.
        content_type: The Content-Type.
        at_resume: Called with a request that has a Range, before it is answered. What it returns
            true for, it has answered itself.
    """

    content: bytes
    etag: str | None = '"version-1"'
    cut_after: int | None = None
    cuts: int | None = None
    cut_with_reset: bool = False
    stall_after: int | None = None
    trickle: tuple[int, float] | None = None
    declared_length: int | None = None
    chunked: bool = False
    compressed: bool = False
    ignores_ranges: bool = False
    content_range: str | None = None
    content_type: str = "video/quicktime"
    at_resume: Callable[[Exchange], object] | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Handle one request."""
        exchange.read_body()
        wanted = exchange.headers.get("range")
        if wanted and self.at_resume is not None and self.at_resume(exchange):
            return
        headers = {"Content-Type": self.content_type, "Accept-Ranges": "bytes"}
        if self.etag is not None:
            headers["ETag"] = self.etag
        fresh = exchange.headers.get("if-range", self.etag) == self.etag
        if wanted is None or self.ignores_ranges or not fresh:
            self._send(exchange, 200, headers, self.content)
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        assert found is not None, wanted
        first = int(found[1])
        if first >= len(self.content):
            exchange.reply(416, b"past the end")
            return
        said = f"bytes {first}-{len(self.content) - 1}/{len(self.content)}"
        headers["Content-Range"] = self.content_range or said
        self._send(exchange, 206, headers, self.content[first:])

    def _send(self, exchange: Exchange, code: int, headers: dict[str, str], body: bytes) -> None:
        if self.compressed:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        length = len(body) if self.declared_length is None else self.declared_length
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(length)
        exchange.reply_head(code, headers)
        limit = len(body)
        if self._is_to_be_cut(limit):
            limit = self.cut_after or 0
            exchange.close()
        elif length != len(body):
            exchange.close()
        self._send_body(exchange, memoryview(body)[:limit])
        if limit < len(body):
            if self.cut_with_reset:
                exchange.reset()
        elif self.chunked:
            exchange.send(b"0\r\n\r\n")

    def _is_to_be_cut(self, length: int) -> bool:
        if self.cut_after is None or length <= self.cut_after or self.cuts == 0:
            return False
        if self.cuts is not None:
            self.cuts -= 1
        return True

    def _send_body(self, exchange: Exchange, body: memoryview) -> None:
        size, pause = self.trickle or (SEND_BYTES, 0.0)
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            if self.stall_after is not None and start + len(piece) > self.stall_after:
                exchange.send(piece[: max(0, self.stall_after - start)])
                exchange.closing.wait()
                exchange.close()
                return
            exchange.send(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if self.chunked else piece)
            if pause:
                time.sleep(pause)
