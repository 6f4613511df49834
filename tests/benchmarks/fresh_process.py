"""What a process costs that is started for one thing: a farm's hook, a command at a prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.run import Run
from tests.support.worker import KITSU_VARIABLES


@dataclass(frozen=True)
class Life:
    """One process, in seconds.

    Attributes:
        whole: From exec to its end.
        within: What it measured itself, without the interpreter's own start; None if nothing.
    """

    whole: float
    within: float | None


def lives(
    run: Run,
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    environment: Mapping[str, str] | None = None,
) -> dict[str, list[Life]]:
    """Run each command in turn, and once before for the disk's sake.

    Args:
        run: The run.
        commands: By the name of what they do.
        rounds: How often.
        environment: What they know of Redis and Kitsu; nothing by default.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    found: dict[str, list[Life]] = {name: [] for name in commands}
    for number in range(-1, rounds):
        for name, command in commands.items():
            run.tell(f"{number + 1}/{rounds}: {name}")
            one = _live(command, {**kept, **(environment or {})})
            if number >= 0:
                found[name].append(one)
    return found


def _live(command: Sequence[str], environment: Mapping[str, str]) -> Life:
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - begun
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
    last = done.stdout.rstrip().rpartition("\n")[2]
    return Life(whole, json.loads(last)["seconds"] if last.startswith('{"seconds"') else None)


def python(*lines: str) -> list[str]:
    """A command that runs lines of Python and tells how long they took."""
    program = (
        "import time; begun = time.perf_counter()",
        *lines,
        "seconds = time.perf_counter() - begun",
        "import json; print(json.dumps({'seconds': seconds}))",
    )
    return [sys.executable, "-c", "\n".join(program)]
