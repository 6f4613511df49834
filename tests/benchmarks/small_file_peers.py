"""Small files without Celery: ``python -m tests.benchmarks.small_file_peers NAME SLOTS FOLDER``.

A process that has imported what it needs and logged in. For each line that it reads, such as
``thumbnails 200``, it moves so many files, ``SLOTS`` at once, and says what that took.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.discarding_kitsu import a_token

Move = Callable[[str, Path], object]
"""Moves one file: the id of what it belongs to in Kitsu, and a path on this machine."""

SOURCES = {"avatars": "avatar.jpg", "attachments": "attachment.pdf"}
"""What is sent, in the folder; it was made before."""


def main() -> None:
    name, slots, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    moves = PEERS[name](slots)
    with ThreadPoolExecutor(slots) as pool:
        for kind, move in moves.items():
            list(pool.map(move, *_given(folder, kind, slots)))
        print("ready", flush=True)
        for line in sys.stdin:
            kind, count = line.split()
            given = _given(folder, kind, int(count))
            cpu, wall = time.process_time(), time.perf_counter()
            list(pool.map(moves[kind], *given))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(json.dumps({"seconds": wall, "cpu": cpu}), flush=True)


def _given(folder: Path, kind: str, count: int) -> tuple[list[str], list[Path]]:
    """Ids, and the path for each."""
    paths = [folder / f"peer-{os.getpid()}-{number}.png" for number in range(count)]
    if kind in SOURCES:
        paths = [folder / SOURCES[kind]] * count
    return [str(uuid.uuid4()) for _ in paths], paths


def loop(slots: int, lasting: bool = False) -> dict[str, Move]:
    """The requests and nothing else, as one writes them: one session, its body read whole.

    Args:
        slots: How many at once.
        lasting: Whether a file that was written is put on the disk, as ours is.
    """
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=slots))
    session.headers["Authorization"] = f"Bearer {a_token()}"
    api = f"{os.environ['KITSU_HOST']}/api"

    def thumbnail(preview: str, path: Path) -> None:
        answer = session.get(f"{api}/pictures/thumbnails/preview-files/{preview}.png")
        answer.raise_for_status()
        with path.open("wb") as file:
            file.write(answer.content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())

    def post(route: str, path: Path) -> None:
        with path.open("rb") as file:
            session.post(f"{api}/{route}", files={"file": file}).raise_for_status()

    return {
        "thumbnails": thumbnail,
        "avatars": lambda person, path: post(f"pictures/thumbnails/persons/{person}", path),
        # What is there already it does not ask, so it may attach twice.
        "attachments": lambda comment, path: post(
            f"actions/tasks/{comment}/comments/{comment}/add-attachment", path
        ),
    }


def our_operations(_slots: int) -> dict[str, Move]:
    from farm_tasks.kitsu import operations
    from farm_tasks.transfer.progress import Meter

    return {
        "thumbnails": lambda preview, path: operations.download_preview_file_thumbnail(
            preview, str(path), progress_callback=Meter()
        ),
        "avatars": lambda person, path: operations.upload_person_avatar(
            person, str(path), progress_callback=Meter()
        ),
        "attachments": lambda comment, path: operations.add_attachment_files_to_comment(
            comment, comment, [str(path)], progress_callback=Meter()
        ),
    }


PEERS: dict[str, Callable[[int], dict[str, Move]]] = {
    "requests": loop,
    "requests, fsync": lambda slots: loop(slots, lasting=True),
    "our operations": our_operations,
}


if __name__ == "__main__":
    main()
