"""The workers' app on what says it is another machine: nobody here can tell whether it is dead."""

from __future__ import annotations

from farm_tasks.worker import lease

lease._this_machine = lambda: "another machine"

from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
