"""The workers' app with a visibility timeout of seconds, so that a test need not wait a minute."""

from __future__ import annotations

from farm_tasks.worker import background, visibility

TIMEOUT = 2.0
SWEEP = 0.5

visibility.TIMEOUT = TIMEOUT
visibility.RENEWAL = 0.25
visibility.SWEEP = SWEEP
visibility.RESPITE = 1.0
background.PATIENCE = 0.5

from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
