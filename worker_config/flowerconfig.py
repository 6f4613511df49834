"""Flower's configuration: ``celery -A farm_tasks flower --conf=worker_config/flowerconfig.py``.

Flower executes this file. Names are Flower's own options (``flower --help``).
"""

from farm_tasks.monitor.flower import install as _install

_install()
