"""``batch``: many transfers as one."""

from __future__ import annotations

import click

from farm_tasks.cli.batch_download import download
from farm_tasks.cli.batch_publish import publish


@click.group()
def batch() -> None:
    """Transfer many files as one."""


batch.add_command(publish)
batch.add_command(download)
