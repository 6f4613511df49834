"""Pythons of this machine other than ours, as farms and DCCs bring them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

VERSIONS = ("2.7", "3.6", "3.7", "3.9", "3.10", "3.11", "3.13")


def found() -> dict[str, str]:
    """The path of each that is here and starts, by its version."""
    places: dict[str, str] = {}
    for version in VERSIONS:
        on_path = shutil.which(f"python{version}")
        candidates = [on_path] if on_path else []
        candidates += map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for one in candidates:
            if subprocess.run([one, "-c", ""], check=False, capture_output=True).returncode == 0:
                places.setdefault(version, one)
    return places
