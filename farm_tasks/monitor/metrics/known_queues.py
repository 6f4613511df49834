"""The queues that are looked at."""

from __future__ import annotations

QUEUES = ("farm_tasks", "farm_tasks.uploads", "farm_tasks.downloads", "farm_tasks.small")
