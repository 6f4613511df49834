"""What the figures depend on: the machine, the versions, the commit, and what else ran."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

GIB = 1024**3
MIB = 1024**2

_PACKAGES = ("celery", "flower", "gazu", "kombu", "redis", "requests", "urllib3")


def machine() -> dict[str, object]:
    """JSON-safe."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "curl": _first_line("curl", "--version"),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
        "changed_since": bool(_first_line("git", "status", "--porcelain", "farm_tasks")),
    }


def load() -> list[float]:
    """The load averages: above 1 before the start, others are at work."""
    return [round(one, 2) for one in os.getloadavg()]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]
