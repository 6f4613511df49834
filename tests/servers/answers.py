"""Handlers that answer without a file: a status, a redirect, silence."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

from tests.servers.loopback import Exchange, Handler

LINGER_BYTES = 8 * 1024 * 1024


def status(
    code: int,
    body: bytes | str | Mapping[str, object] = b"",
    *,
    retry_after: object = None,
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """Read the body of the request to its end, then answer ``code``; a mapping goes as JSON."""
    content, said = _encode(body)
    if retry_after is not None:
        said["Retry-After"] = str(retry_after)
    said.update(headers or {})

    def answer(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.reply(code, content, said)

    return answer


def early(
    code: int,
    body: bytes | str | Mapping[str, object] = b"",
    *,
    after: int = 0,
    then: str = "read",
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """Answer when ``after`` bytes of the body were read, while the client still sends.

    Args:
        code: The status.
        body: The content of the answer.
        after: Bytes of the request's body to read first.
        then: ``"read"`` the rest as a lingering nginx does, ``"linger"`` for some of it as one
            does whose patience ends, ``"close"`` or ``"reset"`` the connection, or ``"ignore"``
            what comes.
        headers: More headers of the answer.
    """
    content, said = _encode(body)
    said.update(headers or {})

    def answer(exchange: Exchange) -> None:
        while exchange.body_read < after and exchange.receive(after - exchange.body_read):
            pass
        exchange.reply(code, content, said)
        if then == "read":
            exchange.read_body()
        elif then == "linger":
            while exchange.body_read < after + LINGER_BYTES and exchange.receive():
                pass
            exchange.close()
        elif then == "close":
            exchange.close()
        elif then == "reset":
            exchange.reset()
        else:
            exchange.closing.wait()

    return answer


def redirect(code: int, location: str) -> Handler:
    """Send the client elsewhere, once its body was read."""
    return status(code, headers={"Location": location})


def hang(exchange: Exchange) -> None:
    """Read the request and say nothing at all."""
    exchange.read_body()
    exchange.closing.wait()


def in_turn(*handlers: Handler) -> Handler:
    """One handler for each request, in this order; the last one for all that follow."""
    upcoming = itertools.chain(handlers, itertools.repeat(handlers[-1]))

    def answer(exchange: Exchange) -> None:
        next(upcoming)(exchange)

    return answer


def _encode(body: bytes | str | Mapping[str, object]) -> tuple[bytes, dict[str, str]]:
    if isinstance(body, bytes):
        return body, {"Content-Type": "application/octet-stream"}
    if isinstance(body, str):
        return body.encode(), {"Content-Type": "text/html; charset=utf-8"}
    return json.dumps(body).encode(), {"Content-Type": "application/json"}
