r"""An absolute path of whichever system, read by its form alone: nothing is looked up on a disk.

Windows paths have a drive (``P:\``) or a server and a share (``\\server\share``), take both
slashes, and name the same file in upper and lower case; the form for long paths (``\\?\``) is
read as the one without. All other paths begin with ``/``, and ``a`` is not ``A``.
"""

from __future__ import annotations

import dataclasses
import re

_DRIVE = re.compile(r"([A-Za-z]:)(?:\\(.*))?", re.DOTALL)
_LONG = "\\\\?\\"
_LONG_UNC = re.compile(r"UNC\\", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class AnyPath:
    r"""An absolute path, in its names.

    Attributes:
        anchor: ``/``, ``P:`` or ``\\server\share``: nothing lies above it.
        names: The names below it. None is empty or ``.``; a ``..`` is kept, for what it leads to
            depends on links.
    """

    anchor: str
    names: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> AnyPath | None:
        """The path in ``text``; None if no system would call it absolute."""
        windows = text.replace("/", "\\")
        if windows.startswith(_LONG):
            windows = windows.removeprefix(_LONG)
            is_share = _LONG_UNC.match(windows)
            windows = f"\\\\{windows[4:]}" if is_share else windows
            if not is_share and not _DRIVE.fullmatch(windows):
                return None
        drive = _DRIVE.fullmatch(windows)
        if drive:
            return cls(drive[1].upper(), _names(drive[2] or "", "\\"))
        if windows.startswith("\\\\") and not windows.startswith("\\\\\\"):
            server, _, below = windows[2:].partition("\\")
            share, *names = _names(below, "\\") or ("",)
            if server in {"", ".", "..", "?"} or share in {"", ".."}:
                return None
            return cls(f"\\\\{server}\\{share}", tuple(names))
        return cls("/", _names(text, "/")) if text.startswith("/") else None

    @property
    def is_windows(self) -> bool:
        """Whether it has a drive or a share."""
        return self.anchor != "/"

    @property
    def key(self) -> tuple[str, ...]:
        """What is the same for all forms of one path."""
        whole = (self.anchor, *self.names)
        # Not casefold: it makes ß and ss one, which are two names on Windows.
        return tuple(one.lower() for one in whole) if self.is_windows else whole

    def below(self, root: AnyPath) -> tuple[str, ...] | None:
        """The names from ``root`` to this path; None if it does not lie there by its names."""
        start = root.key
        return self.names[len(root.names) :] if self.key[: len(start)] == start else None

    def holding(self, names: tuple[str, ...]) -> AnyPath | None:
        """The path of ``names`` below this one; None if this one's system cannot have them."""
        if self.is_windows and any("\\" in one for one in names):
            return None  # one name elsewhere, and here it would be two
        return AnyPath(self.anchor, self.names + names)

    def __str__(self) -> str:
        if not self.is_windows:
            return "/" + "/".join(self.names)
        return "\\".join([self.anchor, *self.names]) + ("" if self.names else self._end)

    @property
    def _end(self) -> str:
        """``P:`` alone would be the folder that is current on that drive."""
        return "\\" if self.anchor.endswith(":") else ""


def is_absolute(text: str) -> bool:
    """Whether any system calls the path absolute: another one must not put its folder before it."""
    return text.startswith("/") or AnyPath.read(text) is not None


def climbs_out(names: tuple[str, ...]) -> bool:
    """Whether ``..`` among the names leads above where they begin."""
    depth = 0
    for name in names:
        depth += -1 if name == ".." else 1
        if depth < 0:
            return True
    return False


def _names(text: str, separator: str) -> tuple[str, ...]:
    return tuple(one for one in text.split(separator) if one not in {"", "."})
