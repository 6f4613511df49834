"""Flower, with the progress of transfers.

``worker_config/flowerconfig.py``, which Flower executes when it starts, calls :func:`install`.
What replaces parts of Flower is all in :mod:`~farm_tasks.monitor.flower.seam`;
:mod:`~farm_tasks.monitor.flower.row` depends on Celery's event state. The pages in ``batch.py``,
``templates/`` and ``static/`` stand on elements and blocks of Flower's own.
``tests/monitor/flower/test_seam.py`` names whatever of all that a newer Flower has moved.
"""

from __future__ import annotations

COLUMNS = "file,percent,state,worker,received,runtime"
"""What the task list shows: what a farm's admin looks for. ``percent`` is the bar."""


def install() -> None:
    """Add what this package has to the Flower that is about to start in this process."""
    from farm_tasks.monitor.flower import batch, seam  # noqa: PLC0415 (Flower is an extra)

    seam.remember_figures()
    seam.show_figures()
    seam.guard()
    seam.add_handlers(batch.handlers())
