"""The doctor's checks of the path map and of the spool."""

from __future__ import annotations

import os
from collections.abc import Iterator

from farm_tasks.cli.checks import Finding, usable_folder
from farm_tasks.errors import NotConfigured


def path_map() -> Iterator[Finding]:
    """Whether the map can be used, and which of its places are on this machine."""
    from farm_tasks import path_map  # noqa: PLC0415 (pydantic is not for --help)

    try:
        mapping = path_map.current()
    except NotConfigured as error:
        yield Finding("path map", "failed", str(error), "", error.exit_code)
        return
    if mapping is None:
        return
    here = path_map.this_system()
    yield Finding("path map", "ok", f"{mapping.file}, {len(mapping.tables)} place(s)")
    for table in mapping.tables:
        roots = [str(root.path) for root in mapping.roots(table, here)]
        there = next(filter(os.path.isdir, roots), None)
        if not roots:
            yield Finding("path map", "not set", f"[{table}] has no root for {here}")
        elif there is None:
            # One file for all machines: not each of them mounts everything.
            yield Finding(
                "path map",
                "hint",
                f"[{table}] {here}: {' or '.join(roots)} is not a folder here.",
                f"Mount it if this machine is to use it, or change {mapping.file}.",
            )
        else:
            yield Finding("path map", "ok", f"[{table}] {there}")


def spool() -> Iterator[Finding]:
    """Whether requests can be kept while the broker is away, and whether some wait."""
    from farm_tasks.settings import settings  # noqa: PLC0415

    folder = settings().spool_folder
    if folder is None:
        return
    found = usable_folder("spool", "FARM_TASKS_SPOOL", folder, writes=True)
    yield found
    if found.exit_code:
        return
    from farm_tasks.submit.spool import waiting  # noqa: PLC0415

    entries = waiting(folder)
    failed = sum(entry.failed for entry in entries)
    if entries:
        yield Finding(
            "spool",
            "hint",
            f"{len(entries) - failed} request(s) wait there, {failed} failed.",
            "Is there a `farm-tasks worker --spool`? See `farm-tasks spool list`.",
        )
