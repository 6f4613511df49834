"""A configuration that a message names is computed in a process of its own first.

A few lines of one can make OpenColorIO compute, or take memory, without end, with the interpreter
locked: nothing could interrupt it here. There it is ended. What it computed in time there it
computes in time here, of the same bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from farm_tasks import errors
from farm_tasks.confinement import Confinement
from farm_tasks.errors import FarmTasksError, InvalidArgument
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.picture import Header

CPU_SECONDS = 10
"""Less than a worker's lease, and ten times what 64 MiB of tables take. Not limited on Windows."""

SECONDS = 30.0
"""Until it is ended, whatever it waits for."""

MEMORY = 4 * 1024**3
"""Bytes of addresses. Not limited on Windows."""

_PROGRAM = "from farm_tasks.media.trial import main; main()"
_CHOICES = ("color_config", "color_space", "display", "view")


def digests_of(
    confined: Confinement, encoding: Encoding, path: str, header: Header
) -> dict[str, str]:
    """Try a :class:`~farm_tasks.media.colour.DisplayTransform`.

    Args:
        confined: What may be read.
        encoding: As it has it.
        path: As it has it.
        header: As it has it.

    Returns:
        SHA-256 in hex of each file that was read, by its path.

    Raises:
        InvalidArgument: it takes too long, too much memory, or ends the process.
        FarmTasksError: what the transform raises.
    """
    given = {
        "roots": [str(root) for root in confined.read_roots],
        "choices": {name: getattr(encoding, name) for name in _CHOICES},
        "path": path,
        "header": dataclasses.asdict(header),
        "limits": [CPU_SECONDS, MEMORY],
    }
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        told = json.loads(ended.stdout.rpartition("\n")[2])
    except (subprocess.TimeoutExpired, ValueError):
        raise InvalidArgument(
            f"color_config: {encoding.color_config} takes OpenColorIO too long or too much memory "
            f"({CPU_SECONDS} s, {MEMORY >> 30} GiB): name one with fewer or smaller look-up tables."
        ) from None
    if "error" in told:
        kind, message = told["error"]
        raise getattr(errors, kind)(message)
    return dict(told["digests"])


def main() -> None:
    """The process: what it is given comes by the standard input, what came of it goes out."""
    from farm_tasks.media.colour import DisplayTransform  # noqa: PLC0415 (which imports this)

    given = json.load(sys.stdin)
    _limit(*given["limits"])
    told: dict[str, Any]
    with Confinement([Path(root) for root in given["roots"]], []):
        try:
            encoding = Encoding(**given["choices"])
            transform = DisplayTransform(encoding, given["path"], Header(**given["header"]), True)
            told = {"digests": transform.digests}
        except FarmTasksError as error:
            told = {"error": [type(error).__name__, str(error)]}
    sys.stdout.write("\n" + json.dumps(told))


def _limit(seconds: int, memory: int) -> None:
    with contextlib.suppress(ImportError):  # Windows has none
        import resource  # noqa: PLC0415

        for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory)):
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))
