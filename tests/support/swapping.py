"""A process that exchanges two names as fast as it can, to win a race if it can be won."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2  # linux/fs.h: RENAME_EXCHANGE

_LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> None:
    """Let two names change places in one step (renameat2(2))."""
    names = os.fsencode(one), os.fsencode(other)
    if _LIBC.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2", os.fspath(one))


@contextlib.contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two names without end, in a process of its own, while the block runs."""
    command = [sys.executable, __file__, str(one), str(other)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "swapping\n"
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            swaps = int(process.stdout.readline())
            process.wait(10)
    assert process.returncode == 0
    assert swaps > 100, "this was no race"


def _main(one: str, other: str) -> None:
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    print("swapping", flush=True)
    swaps = 0
    while not over:
        exchange(one, other)
        swaps += 1
        for _ in range(random.randrange(8000)):  # up to 0.2 ms: both names get their chance
            pass
    print(swaps, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
