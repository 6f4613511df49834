"""The workers' app that writes counts once a minute: what is there sooner came with the end."""

from __future__ import annotations

from farm_tasks.worker import counts

counts.INTERVAL = 60.0

from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
