"""``map-path``: what the path map makes of a path, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm_tasks.cli import text
from farm_tasks.cli.outcome import print_json
from farm_tasks.errors import NotConfigured, NotFound

if TYPE_CHECKING:
    from farm_tasks.path_map import Mapped, PathMap


@click.command(name="map-path")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Choice(["canonical", "local", "linux", "windows", "macos"]),
    default="canonical",
    show_default=True,
    help="canonical: what a submitter sends. local: what a worker on this machine makes of it.",
)
@click.option(
    "--map",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The map, in place of the one in FARM_TASKS_PATH_MAP.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def map_path(paths: tuple[str, ...], to: str, file: Path | None, as_json: bool) -> None:
    """Show what the path map makes of paths, and by which of its rules.

    The path goes to stdout, the reason to stderr. A path that no rule is for is printed as it is.

    Exit code: 3 if no rule was used for one of them, 2 if there is no map or it is wrong.
    """
    mapping = _map(file)
    code = 0
    for path in paths:
        mapped = _mapped(mapping, path, to)
        code = code if mapped.rule else NotFound.exit_code
        if as_json:
            print_json(_as_dict(path, to, mapping, mapped))
        else:
            click.echo(text.plain(mapped.path))
            click.echo(f"    {_told(mapped)}", err=True)
    click.get_current_context().exit(code)


def _map(file: Path | None) -> PathMap:
    from farm_tasks.path_map import PathMap, current  # noqa: PLC0415 (pydantic is not for --help)

    mapping = PathMap.load(file) if file is not None else current()
    if mapping is None:
        raise NotConfigured(
            "There is no path map: set FARM_TASKS_PATH_MAP to the file, or give --map FILE. "
            "docs/paths.md says how to write one."
        )
    return mapping


def _mapped(mapping: PathMap, path: str, to: str) -> Mapped:
    if to == "canonical":
        return mapping.to_canonical(path)
    return mapping.to_local(path, None if to == "local" else to)


def _told(mapped: Mapped) -> str:
    said = text.one_line(mapped.why)
    return f"{said} ({text.plain(mapped.rule.file)})" if mapped.rule else f"not mapped: {said}"


def _as_dict(path: str, to: str, mapping: PathMap, mapped: Mapped) -> dict[str, Any]:
    rule = mapped.rule
    return {
        "path": path,
        "to": to,
        "mapped": mapped.path,
        "rule": rule and {"table": rule.table, "key": rule.key, "root": str(rule.path)},
        "file": str(mapping.file),
        "why": mapped.why,
    }
