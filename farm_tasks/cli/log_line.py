"""A line for the log of a command that runs on, in the form that FARM_TASKS_LOG_FORMAT asks for."""

from __future__ import annotations

import logging
import os

import click

from farm_tasks.cli.text import one_line

_COLOURS = {logging.WARNING: "yellow", logging.ERROR: "red"}


def write(level: int, message: str) -> None:
    """Write it to stderr, as the worker that runs beside it writes its own."""
    from farm_tasks.settings import settings  # noqa: PLC0415 (pydantic is not for --help)

    if settings().log_format == "json":
        from farm_tasks.worker.logs import as_json  # noqa: PLC0415 (brings Celery)

        click.echo(as_json(level, __name__, message), err=True)
        return
    label = click.style(f"{logging.getLevelName(level)}:", fg=_COLOURS.get(level), bold=True)
    no_colour = False if "NO_COLOR" in os.environ else None
    click.echo(f"{label} {one_line(message)}", err=True, color=no_colour)
