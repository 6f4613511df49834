"""A handler that takes uploads."""

from __future__ import annotations

import json

from tests.servers.loopback import Exchange
from tests.servers.multipart import Part, parse_multipart


class UploadSink:
    """Takes uploads as zou does: reads the body, answers 201 with JSON.

    Args:
        rate: Bytes per second at which it reads; None for as fast as they come.
        cut_after: Bytes of the body after which the connection is reset.

    Attributes:
        uploads: The parts of every complete body, oldest first.
    """

    def __init__(self, rate: float | None = None, cut_after: int | None = None) -> None:
        self.rate = rate
        self.cut_after = cut_after
        self.uploads: list[list[Part]] = []

    def __call__(self, exchange: Exchange) -> None:
        """Handle one request."""
        if self.cut_after is not None:
            while exchange.body_read < self.cut_after and exchange.receive():
                pass
            exchange.reset()
            return
        body = exchange.read_body(self.rate)
        if not exchange.is_complete:
            return
        self.uploads.append(parse_multipart(exchange.headers["content-type"], body))
        answer = json.dumps({"id": "stored", "count": len(self.uploads[-1])}).encode()
        exchange.reply(201, answer, {"Content-Type": "application/json"})
