"""Celery workers that move renders between a farm and Kitsu, with progress that is true.

``celery -A farm_tasks worker`` finds the app here. It is imported only when asked for, so that a
submitter that imports :mod:`farm_tasks.submit` loads neither gazu nor the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

    app: Celery

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "app":
        from farm_tasks.worker.app import app  # noqa: PLC0415 (keeps the submitter's import light)

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
