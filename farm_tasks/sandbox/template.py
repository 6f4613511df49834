"""A Kitsu that was filled once, from which every new sandbox is copied."""

from __future__ import annotations

import hashlib
import inspect
import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from farm_tasks.sandbox import postgres, seed, services
from farm_tasks.sandbox.cache import Say, entry
from farm_tasks.sandbox.files import write_private
from farm_tasks.sandbox.kitsu import wait_until_it_answers
from farm_tasks.sandbox.programs import POSTGRES_WHEEL, ZOU_VERSION, Programs
from farm_tasks.sandbox.roster import Roster
from farm_tasks.sandbox.seed import Seed
from farm_tasks.sandbox.services import Secrets

LOGIN = "admin@example.com"  # zou takes this one without asking whether it can get mail

_FILE = "template.json"


@dataclass(frozen=True)
class Template:
    """A filled database and what is known about it.

    Attributes:
        key: Changes with all that the content depends on.
        data: Postgres' data folder, of a server that was stopped cleanly.
        secrets: Those that are in the data. Redis' password is not, and empty.
        seed: Ids of what is in the data.
    """

    key: str
    data: Path
    secrets: Secrets
    seed: Seed


def template(cache: Path, programs: Programs, *, say: Say) -> Template:
    """Return the template, made first where it is missing; that takes about 20 s.

    Args:
        cache: Where it is kept.
        programs: What it is made with.
        say: Told what is going on.

    Raises:
        SandboxError: A service did not start, or zou could not fill its database.
    """
    sources = [inspect.getsource(seed), POSTGRES_WHEEL, ZOU_VERSION]
    digest = hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12]
    key = f"kitsu-{ZOU_VERSION}-{digest}"

    def build(folder: Path, _lock: int) -> None:
        say("Filling a new Kitsu, about 20 s, once ...")
        _build(folder, cache / f"{key}.scratch", programs)

    folder = entry(cache / key, build, probe=_FILE, say=say)
    values = json.loads((folder / _FILE).read_bytes())
    return Template(key, folder / "data", Secrets(**values["secrets"]), Seed(**values["seed"]))


def _build(folder: Path, scratch: Path, programs: Programs) -> None:
    folder.chmod(0o700)
    roster = Roster(scratch / "processes.json", scratch / "logs")
    _clear(scratch, roster)
    scratch.mkdir(mode=0o711)
    for name in services.FOLDERS:
        (scratch / name).mkdir(mode=0o700)
    keys = Secrets(
        login=LOGIN,
        password=secrets.token_urlsafe(12),
        postgres_password=secrets.token_hex(16),
        redis_password=secrets.token_hex(16),
        secret_key=secrets.token_hex(32),
    )
    try:
        cluster = postgres.make_folder(scratch)
        postgres.initialise(programs.postgres, cluster, keys.postgres_password)
        zou, _redis_url = services.start_stores(scratch, programs, keys, roster)
        zou.initialise(keys.login, keys.password)
        host = wait_until_it_answers(zou.start_api())
        sown = seed.sow(host, keys.login, keys.password)
        roster.stop()
        shutil.copytree(cluster / "data", folder / "data", symlinks=True)
    finally:
        _clear(scratch, roster)
    values = {"secrets": asdict(keys) | {"redis_password": ""}, "seed": sown.to_json()}
    write_private(folder / _FILE, json.dumps(values, indent=1))


def _clear(scratch: Path, roster: Roster) -> None:
    """End and remove what an attempt left, ours or one that was killed."""
    roster.stop()
    postgres.remove_folder(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
