"""Small real files to send."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from farm_tasks.sandbox import SandboxInfo


def movie(sandbox: SandboxInfo, path: Path, seconds: float = 1.0, size: str = "320x180") -> Path:
    """An H.264 movie."""
    source = f"testsrc2=size={size}:rate=24:duration={seconds}"
    return _ffmpeg(sandbox, source, path, "-pix_fmt", "yuv420p")


def picture(sandbox: SandboxInfo, path: Path, size: str = "320x180") -> Path:
    """A PNG or JPEG, by the path's extension."""
    return _ffmpeg(sandbox, f"testsrc2=size={size}:rate=1:duration=1", path, "-frames:v", "1")


def noise(path: Path, size: int) -> Path:
    """Bytes that do not compress."""
    path.write_bytes(os.urandom(size))
    return path


def digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ffmpeg(sandbox: SandboxInfo, source: str, path: Path, *options: str) -> Path:
    command = [
        str(sandbox.ffmpeg), "-v", "error", "-y", "-f", "lavfi", "-i", source, *options, str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return path
