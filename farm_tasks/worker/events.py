"""Celery's events, of which none is lost while others are sent.

The threads of a pool note theirs for the event loop to send. Celery sends what is noted and then
forgets all of it, what was noted meanwhile as well: Flower would show a transfer as moving for
ever. What depends on Celery's private attributes here is bounded by the versions in pyproject.toml.
"""

from __future__ import annotations

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):  # type: ignore[misc]
    """See the module."""

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Send what is noted, and forget that alone."""
        super().flush(errors=errors, groups=False)
        if not groups:
            return
        with self.mutex:
            for group, noted in self._group_buffer.items():
                taken = noted[:]
                if taken:
                    self._publish(taken, self.producer, f"{group}.multi")
                    del noted[: len(taken)]


class TransferEvents(Events):  # type: ignore[misc]
    """What the app makes its dispatchers with."""

    dispatcher_cls = f"{__name__}:{Dispatcher.__name__}"
