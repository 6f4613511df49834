"""``farms``: the files that a render farm needs, out of the installed package."""

from __future__ import annotations

from pathlib import Path

import click

from farm_tasks.errors import FileUnreadable, InvalidArgument
from farm_tasks.farms.files import HERE, KITS


@click.command()
@click.argument("name", type=click.Choice(sorted(KITS)), required=False)
@click.option("--copy-to", type=click.Path(), metavar="DIR", help="Copy the farm's files there.")
@click.option("--force", is_flag=True, help="Replace files that are there and differ.")
def farms(name: str | None, copy_to: str | None, force: bool) -> None:
    """List what there is for render farms, or copy the files of one.

    Each farm has a page in docs/farms/ that says what to do with them.
    """
    if name is None:
        if copy_to is not None:
            raise click.UsageError("Say which farm's files.")
        for one, kit in KITS.items():
            click.echo(f"{one:<12} {kit.what}; for {kit.place}")
        return
    kit = KITS[name]
    if copy_to is None:
        for source in kit.files.values():
            click.echo(HERE / source)
        click.echo(f"They go to {kit.place}: farm-tasks farms {name} --copy-to DIR", err=True)
        return
    targets = {one: Path(copy_to) / one for one in kit.files}
    for one, path in targets.items():
        if not force and path.exists() and path.read_bytes() != kit.content(one):
            raise InvalidArgument(f"{path} is there and differs: give --force to replace it.")
    try:
        for one, path in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(kit.content(one))
            click.echo(path)
    except OSError as error:
        raise FileUnreadable(f"{error.filename} cannot be written: {error.strerror}.") from None
