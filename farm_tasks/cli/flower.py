"""``flower``: Flower with our pages."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import click

from farm_tasks.cli.become import become_celery
from farm_tasks.errors import NotConfigured

MISSING = "Flower is not installed: pip install 'farm-tasks[flower]'"


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "--address",
    metavar="HOST",
    help="Where to listen. By default 127.0.0.1, or every address if it has authentication.",
)
@click.option("--port", "-p", type=click.IntRange(0, 65535), help="By default 5555.")
@click.argument("flower_arguments", nargs=-1, metavar="[-- FLOWER ARGUMENT...]")
def flower(address: str | None, port: int | None, flower_arguments: tuple[str, ...]) -> None:
    """Watch workers and transfers in a browser: http://127.0.0.1:5555.

    FARM_TASKS_FLOWER_USERS_FILE names a file with a line `user:password` for each who may use it;
    without that (or Flower's own authentication) it answers to browsers on this machine alone. This
    is `celery -A farm_tasks flower`; what follows `--` goes to Flower.
    """
    if importlib.util.find_spec("flower") is None:
        raise NotConfigured(MISSING)
    become_celery(
        "flower",
        *([f"--conf={configuration()}"] if not os.environ.get("FLOWER_CONF") else []),
        *([f"--address={address}"] if address is not None else []),
        *([f"--port={port}"] if port is not None else []),
        *flower_arguments,
    )


def configuration() -> Path:
    """Our configuration of Flower, or the copy that comes before it on PYTHONPATH."""
    import worker_config  # noqa: PLC0415

    return Path(str(worker_config.__file__)).with_name("flowerconfig.py")
