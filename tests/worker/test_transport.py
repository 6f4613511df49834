"""What RabbitMQ does to a worker that transfers for long. A real one takes half an hour for it."""

from __future__ import annotations

from typing import Any

import amqp
import pytest
from amqp.exceptions import PreconditionFailed, RecoverableConnectionError

from farm_tasks.worker.transport import RabbitMQTransport

SAID = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out."


def test_a_worker_cut_off_for_a_long_transfer_connects_again_and_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = SAID

    def close_channel(*_: Any) -> None:
        raise PreconditionFailed(text)

    monkeypatch.setattr(amqp.Connection, "drain_events", close_channel)
    connection = RabbitMQTransport.Connection("127.0.0.1:1")
    with pytest.raises(RecoverableConnectionError, match="timed out"):
        connection.drain_events(timeout=0)
    text = "PRECONDITION_FAILED - inequivalent arg 'x-max-priority'"
    with pytest.raises(PreconditionFailed, match="inequivalent"):
        connection.drain_events(timeout=0)
