"""The workers' app for a pool of greenlets, of which Celery 5.6 takes nothing without this.

A worker that hides no messages (``worker_disable_prefetch``) asks for one while it has fewer than
its slots. Celery's pool of greenlets says that it has as many slots as greenlets run: none.
"""

from __future__ import annotations

from celery.concurrency.gevent import TaskPool

TaskPool.num_processes = property(lambda pool: pool.limit)

from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
