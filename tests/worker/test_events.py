"""What the threads of a pool note for the event loop to send is sent, whenever they do."""

from __future__ import annotations

from typing import Any

from farm_tasks.worker.app import app


class Producer:
    """Takes what is sent; another thread notes an event just then."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.dispatcher: Any = None

    def publish(self, events: list[dict[str, Any]], **_: Any) -> None:
        if not self.sent:
            self.dispatcher.send("task-succeeded", uuid="meanwhile")
        self.sent += [one["uuid"] for one in events]


def test_an_event_that_is_noted_while_others_are_sent_goes_with_the_next() -> None:
    producer = Producer()
    dispatcher = app.events.Dispatcher(enabled=False, buffer_group=["task"])
    dispatcher.enabled, dispatcher.producer = True, producer
    producer.dispatcher = dispatcher
    dispatcher.send("task-received", uuid="before")

    dispatcher.flush()
    assert producer.sent == ["before"]
    dispatcher.flush()
    assert producer.sent == ["before", "meanwhile"]
    dispatcher.flush()
    assert producer.sent == ["before", "meanwhile"]
