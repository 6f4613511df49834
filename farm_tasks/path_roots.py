"""The path map's file: its tables, and the roots in them, checked one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from farm_tasks.any_path import AnyPath
from farm_tasks.errors import NotConfigured

LINUX, WINDOWS, MACOS = SYSTEMS = ("linux", "windows", "macos")
CANONICAL = "canonical"

_QUOTES = "In single quotes TOML takes a backslash as it is: 'P:\\projects'."


@dataclasses.dataclass(frozen=True, slots=True)
class Root:
    """A place's path on one system: a rule of the map.

    Attributes:
        file: The map's file.
        table: The place's name in it.
        key: ``linux``, ``windows``, ``macos`` or ``canonical``.
        path: The path.
    """

    file: Path
    table: str
    key: str
    path: AnyPath

    def __str__(self) -> str:
        return f"[{self.table}] {self.key} {self.path}"


def read_roots(file: Path) -> list[Root]:
    """All roots of a map, in the order of the file.

    Raises:
        NotConfigured: it cannot be read or used. The message names file, table and key.
    """
    import tomllib  # noqa: PLC0415 (only who has a map needs it)

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise unusable(file, f"it cannot be read ({error.strerror}).") from None
    except ValueError as error:  # of TOML, or of UTF-8
        hint = f" {_QUOTES}" if "\\" in str(error) or "escape" in str(error) else ""
        raise unusable(file, f"it is no TOML ({error}).{hint}") from None
    if not tables:
        raise unusable(file, "it names no place: write a table such as [projects].")
    return [root for name, own in tables.items() for root in _of_table(file, name, own)]


def unusable(file: Path, problem: str) -> NotConfigured:
    """The error for a map that cannot be used."""
    return NotConfigured(f"FARM_TASKS_PATH_MAP {file}: {problem}")


def _of_table(file: Path, table: str, keys: Any) -> list[Root]:
    """The roots of one table.

    Raises:
        NotConfigured: a key or a value is none of the map's.
    """
    if not isinstance(keys, Mapping):
        raise unusable(file, f"{table} stands outside of a table: write it under [{table}].")
    unknown = sorted(set(keys) - {*SYSTEMS, CANONICAL})
    if unknown:
        known = ", ".join((*SYSTEMS, CANONICAL))
        raise unusable(file, f"[{table}] {unknown[0]}: no such key. There are {known}.")
    if not {CANONICAL, "linux"} & set(keys):
        raise unusable(
            file, f"[{table}] linux: it is missing. Give it, or say what is canonical instead."
        )
    return [
        Root(file, table, key, _path(file, f"[{table}] {key}", key, one))
        for key, value in keys.items()
        for one in _listed(file, f"[{table}] {key}", key, value)
    ]


def _listed(file: Path, where: str, key: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) and key != CANONICAL else [value]
    if not values or not all(isinstance(one, str) for one in values):
        kinds = "a path" if key == CANONICAL else "a path or a list of paths"
        raise unusable(file, f"{where}: {value!r:.80} is not {kinds}.")
    return values


def _path(file: Path, where: str, key: str, text: str) -> AnyPath:
    path = AnyPath.read(text)
    if any(one < " " for one in text):  # "P:\temp" has a tab
        raise unusable(file, f"{where}: {text!r} has a control character. {_QUOTES}")
    kind = {"windows": "Windows", "linux": "Linux", "macos": "macOS"}.get(key, "any system")
    if path is None or (key != CANONICAL and path.is_windows != (key == "windows")):
        raise unusable(file, f"{where}: {text!r} is not an absolute path of {kind}.")
    if ".." in path.names:
        raise unusable(file, f"{where}: {text!r} has '..' in it. Write where that leads.")
    return path
