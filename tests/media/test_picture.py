"""Files that were made to do harm, or came to it, are refused and nothing else happens."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from farm_tasks.media.frame_file import Unusable
from farm_tasks.media.picture import examine, read
from tests.support import frames

KINDS = ["exr-zip", "exr-piz", "exr-none", "tif-lzw", "tif-none", "dpx-", "png-", "jpg-"]


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """``data`` with a few bytes changed, in its header for the most part, or cut short."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        end = min(len(changed), chance.choice([600, 600, len(changed)]))
        changed[chance.randrange(end)] = chance.choice([0, 127, 128, 255, chance.randrange(256)])
    return bytes(changed if chance.random() < 0.9 else changed[: chance.randrange(len(changed))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_file_is_read_or_refused(tmp_path: Path, kind: str) -> None:
    extension, _, compression = kind.partition("-")
    scene = np.clip(frames.scene((80, 45), 5), 0, 1)
    pixels = scene.astype(np.float16) if extension == "exr" else (scene * 255).astype(np.uint8)
    data = frames.write(tmp_path / f"a.{extension}", pixels, compression).read_bytes()
    path = tmp_path / "spoilt"
    chance = random.Random(kind)
    ended = {"read": 0, "refused": 0}
    for _ in range(100):
        path.write_bytes(spoilt(data, chance))
        try:
            read(str(path), examine(str(path)))
            ended["read"] += 1
        except Unusable:
            ended["refused"] += 1
    assert min(ended.values()) > 0, ended


def test_a_channel_with_an_undecodable_name_is_refused(tmp_path: Path) -> None:
    whole = frames.write(tmp_path / "a.exr", frames.scene((8, 8)).astype(np.float16))
    data = whole.read_bytes()
    place = data.index(b"chlist\0") + len(b"chlist\0") + 4
    whole.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with contextlib.suppress(Unusable):
        read(str(whole), examine(str(whole)))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    program = f"""
import os
from farm_tasks.media.frame_file import Unusable
from farm_tasks.media.picture import examine
os.mkfifo({str(tmp_path / "pipe")!r})
try:
    examine({str(tmp_path / "pipe")!r})
except Unusable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "not a regular file"
