"""Fill a new Kitsu with a project to play with, and store the token of the workers' bot.

Run once, by the profile ``kitsu`` of docker-compose.yml. A studio's own Kitsu needs none of it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import gazu

from farm_tasks.sandbox import seed


def main() -> None:
    """Sow, unless the token is there already."""
    token_file = Path(os.environ["KITSU_BOT_TOKEN_FILE"])
    if token_file.exists():
        return
    host = os.environ["KITSU_HOST"]
    password = Path(os.environ["KITSU_ADMIN_PASSWORD_FILE"]).read_text(encoding="utf-8").strip()
    try:
        sown = seed.sow(host, os.environ["KITSU_ADMIN"], password)
    except gazu.exception.ParameterException as error:
        sys.exit(
            f"Kitsu has a bot already, whose token is told once only ({error}). Make another one "
            f"in Kitsu and put its token into {token_file}."
        )
    seed.plant_file_tree(host, sown.bot_token, sown.project_id, Path(os.environ["PROJECTS_PATH"]))
    known = {name: value for name, value in sown.to_json().items() if name != "bot_token"}
    _write(token_file.with_name("seed.json"), json.dumps(known, indent=1))
    _write(token_file, sown.bot_token)


def _write(path: Path, text: str) -> None:
    """Whole or not at all: workers wait for it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)


if __name__ == "__main__":
    main()
