r"""One file under its names on Linux, Windows and macOS: the map in FARM_TASKS_PATH_MAP.

A table of the map is one place, with its roots::

    [projects]
    linux = "/mnt/projects"
    windows = ['P:\', '\\filer\projects']
    macos = "/Volumes/projects"

A submitter sends the canonical form, a worker makes its own path of it; see docs/paths.md. The map
is read from the file that the admin of the machine names, and a message cannot change it. What a
worker may read and write is not decided here: that is :mod:`farm_tasks.confinement`'s, afterwards.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from farm_tasks.any_path import AnyPath, climbs_out
from farm_tasks.path_roots import CANONICAL, LINUX, Root, read_roots, unusable
from farm_tasks.settings import settings


def this_system() -> str:
    """What the map calls the system that this process runs on."""
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


@dataclasses.dataclass(frozen=True, slots=True)
class Mapped:
    """What became of a path.

    Attributes:
        path: The path; as it was given where no rule was used.
        rule: The root that it was found under; None where it was left as it is.
        why: What was done, or why nothing was, as a sentence for people.
    """

    path: str
    rule: Root | None
    why: str


class PathMap:
    """The map.

    Args:
        file: Where it was read, for messages.
        roots: All roots, in the order of the file, those of ``canonical`` among them.

    Raises:
        NotConfigured: two roots contradict each other; the message names both.
    """

    def __init__(self, file: Path, roots: Iterable[Root]) -> None:
        self.file = file
        self._of_table: dict[str, list[Root]] = {}
        for root in roots:
            self._of_table.setdefault(root.table, []).append(root)
        self._canonical = {name: _canonical_root(own) for name, own in self._of_table.items()}
        every = [root for own in self._of_table.values() for root in own]
        self._longest_first = sorted(every, key=lambda root: -len(root.path.names))
        self._check_once_each()
        self._check_once_is_enough()

    @classmethod
    def load(cls, file: Path) -> PathMap:
        """Read a map.

        Raises:
            NotConfigured: it cannot be read or used. The message names file, table and key.
        """
        return cls(file, read_roots(file))

    @property
    def tables(self) -> list[str]:
        """The places' names, in the order of the file."""
        return list(self._of_table)

    def roots(self, table: str, system: str) -> list[Root]:
        """A place's roots on one system; the first is the one that paths are made with."""
        return [root for root in self._of_table[table] if root.key == system]

    def to_canonical(self, path: str) -> Mapped:
        """The form that all systems send. The form of that form is itself.

        A path that no rule is for, or that leaves its root by ``..``, stays as it is. So does one
        whose form would have another one: on Linux ``/A`` is not ``/a``, on Windows they are one.
        """
        found = self._found(path)
        if isinstance(found, str):
            return Mapped(path, None, found)
        root, names = found
        mapped = self._in_canonical_form(path, root, names)
        again = self._found(mapped.path)
        if mapped.rule is not None and not isinstance(again, str):
            other = self._in_canonical_form(mapped.path, *again)
            if other.path != mapped.path:
                return Mapped(path, None, f"{mapped.path} would be of {again[0]}.")
        return mapped

    def to_local(self, path: str, system: str | None = None) -> Mapped:
        """The path as a system has it.

        Args:
            path: In canonical form, or as any system has it.
            system: ``linux``, ``windows`` or ``macos``. By default the one that this process runs
                on; of several roots the first that is a folder here is taken then, else the first.
        """
        found = self._found(path)
        if isinstance(found, str):
            return Mapped(path, None, found)
        root, names = found
        wanted = system or this_system()
        choice = self.roots(root.table, wanted)
        if not choice:
            return Mapped(path, None, f"[{root.table}] in {self.file} has no root for {wanted}.")
        there = choice[0]
        if system is None and len(choice) > 1:
            there = next((one for one in choice if os.path.isdir(str(one.path))), there)
        mapped = _placed(path, root, there, names)
        back = self.to_canonical(mapped.path)
        if mapped.rule is not None and back.path != self.to_canonical(path).path:
            why = f"{mapped.path} would be of {back.rule}, so {wanted} has no path for this one."
            return Mapped(path, None, why)
        return mapped

    def _in_canonical_form(self, path: str, root: Root, names: tuple[str, ...]) -> Mapped:
        return _placed(path, root, self._canonical[root.table], names)

    def _found(self, path: str) -> tuple[Root, tuple[str, ...]] | str:
        """The longest root of a path and the names below it; or why there is none."""
        read = AnyPath.read(path)
        if read is None:
            return "It is no absolute path of Linux, Windows or macOS."
        for root in self._longest_first:
            names = read.below(root.path)
            if names is not None:
                if climbs_out(names):
                    return f"It leaves {root} by '..', so no rule of {self.file} is used."
                return root, names
        return f"No root in {self.file} holds it.{self._near(read)}"

    def _near(self, path: AnyPath) -> str:
        """A hint where only upper and lower case keeps a path from its root."""
        given = [one.lower() for one in path.key]
        for root in self._longest_first:
            if given[: len(root.path.key)] == [one.lower() for one in root.path.key]:
                return f" It differs from {root} in upper and lower case."
        return ""

    def _check_once_each(self) -> None:
        """See that no path is a root of two places."""
        first: dict[tuple[str, ...], Root] = {}
        for own in self._of_table.values():
            for root in own:
                other = first.setdefault(root.path.key, root)
                if other.table != root.table:
                    raise unusable(
                        self.file,
                        f"{other} and {root} are one path in two places. Keep it in one of them.",
                    )

    def _check_once_is_enough(self) -> None:
        r"""See that what a path becomes is not something else's root.

        With P:\ as /mnt/projects, and /mnt/projects/cache as the root of another place, what is
        P:\cache must be said of Windows too: else it would be mapped once, and again.
        """
        for table, own in self._of_table.items():
            canonical = self._canonical[table]
            for inner in self._longest_first:
                names = inner.path.below(canonical.path)
                for root in own if names else ():
                    same = root.path.holding(names or ())
                    meant = str(self._canonical[inner.table].path)
                    if same is not None and self.to_canonical(str(same)).path != meant:
                        raise unusable(
                            self.file,
                            f"{inner} lies under {canonical}, so {same} of {root} would be mapped "
                            f"twice. Add {str(same)!r} to [{inner.table}], or take {inner} out.",
                        )


def current() -> PathMap | None:
    """The map of this process; None where FARM_TASKS_PATH_MAP is not set.

    Raises:
        NotConfigured: it cannot be read or used.
    """
    file = settings().path_map
    return None if file is None else _loaded(file)


@functools.lru_cache(maxsize=1)
def _loaded(file: Path) -> PathMap:
    return PathMap.load(file)


def _placed(path: str, root: Root, target: Root, names: tuple[str, ...]) -> Mapped:
    placed = target.path.holding(names)
    if placed is None:
        why = f"A name in it has a backslash, and {target} is a path of Windows."
        return Mapped(path, None, why)
    return Mapped(str(placed), root, f"{root} is {target.key} {target.path}.")


def _canonical_root(own: list[Root]) -> Root:
    """What was said to be canonical; else the first path of Linux."""
    ranks = {CANONICAL: 0, LINUX: 1}
    return min(own, key=lambda root: ranks.get(root.key, 2))
