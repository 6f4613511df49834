"""Start a command in a container, with Redis's addresses made of what the mounted secrets say.

The addresses hold Redis's password, so they go into files in memory, which
FARM_TASKS_BROKER_URL_FILE and FARM_TASKS_RESULT_BACKEND_FILE name: no variable that
``docker inspect`` tells holds them, nor a command line, and ``docker exec`` finds them as well.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.parse import quote

_DATABASES = {"FARM_TASKS_BROKER_URL": 0, "FARM_TASKS_RESULT_BACKEND": 1}
_LAST_SECONDS = 40
"""What a worker needs after its grace period: ten to give its transfers to others, and the
half-minute for which a slot may wait until its last result has been read."""

_TOKEN_SECONDS = 300
"""For how long a new Kitsu may take to make the bot. Then the container ends and starts again."""


def main(command: list[str]) -> None:
    """Write the addresses, wait for the token, and become the command."""
    _write_addresses()
    if stop := os.environ.get("WORKER_STOP_SECONDS"):
        os.environ.setdefault("FARM_TASKS_GRACE_SECONDS", str(max(0, int(stop) - _LAST_SECONDS)))
    token = os.environ.get("KITSU_BOT_TOKEN_FILE")
    if token and command[:2] == ["farm-tasks", "worker"]:
        _wait_for(Path(token))
    os.execvp(command[0], command)  # noqa: S606 (no shell is wanted)


def _write_addresses() -> None:
    secret = os.environ.get("FARM_TASKS_REDIS_PASSWORD_FILE")
    if not secret:
        return
    password = quote(Path(secret).read_text(encoding="utf-8").strip(), safe="")
    host = os.environ.get("FARM_TASKS_REDIS_HOST") or "redis"
    port = os.environ.get("FARM_TASKS_REDIS_PORT") or "6379"
    for variable, database in _DATABASES.items():
        file = os.environ.get(f"{variable}_FILE")
        if file and not os.environ.get(variable):
            path = Path(file)
            path.touch(mode=0o600)
            path.write_text(f"redis://:{password}@{host}:{port}/{database}\n", encoding="utf-8")


def _wait_for(token: Path) -> None:
    deadline = time.monotonic() + _TOKEN_SECONDS
    while not (token.exists() and token.stat().st_size):
        if time.monotonic() > deadline:
            sys.exit(
                f"{token}, which KITSU_BOT_TOKEN_FILE names, is empty: put a bot's token there."
            )
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1:])
