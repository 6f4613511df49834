"""``python -m farm_tasks.cli``."""

from __future__ import annotations

from farm_tasks.cli import main

main()
