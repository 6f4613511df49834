"""Flower, with the progress of transfers.

``worker_config/flowerconfig.py``, which Flower executes when it starts, calls :func:`install`.
:mod:`~farm_tasks.monitor.flower.seam` is the one module that depends on Flower's internals.
"""

from __future__ import annotations


def install() -> None:
    """Add what this package has to the Flower that is about to start in this process."""
    from farm_tasks.monitor.flower import batch, seam  # noqa: PLC0415 (Flower is an extra)

    seam.add_templates()
    seam.add_static_files()
    seam.add_handlers(batch.handlers())
