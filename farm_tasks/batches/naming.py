"""What downloads are called: flat names, or a template of folders."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping

from farm_tasks.errors import InvalidArgument
from farm_tasks.near import did_you_mean

LONGEST_PART = 48
"""Bytes of a name in a file name: there are up to four, and file systems take 255 in all."""

FIELDS = (
    "project", "episode", "sequence", "shot", "asset_type", "asset", "task_type", "revision",
    "position", "name", "extension", "id",
)  # fmt: skip
"""What a template may hold. See docs/batches.md."""

_TOKEN = re.compile(r"\{([^{}]*)\}")
_NUMBER_FORMAT = re.compile(r"(0[1-9]?)?d?")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""Of Windows, whatever the extension ("Naming Files, Paths, and Namespaces", Microsoft)."""


def safe(name: str) -> str:
    """A name that may be in a part of a path on every system, and is no option or hidden file."""
    kept = "".join(
        character if unicodedata.category(character)[0] not in "CZ" else "-"
        for character in unicodedata.normalize("NFC", name)
    )
    kept = re.sub(r'[/\\:*?"<>|]+', "-", kept).strip(".- ")
    return kept.encode()[:LONGEST_PART].decode(errors="ignore") or "unnamed"


class Template:
    """A path with fields in braces, such as ``{sequence}/{shot}/{task_type}/v{revision:03}``.

    Args:
        text: Relative to the folder of the downloads, with slashes.

    Raises:
        InvalidArgument: it cannot be understood, or leads out of that folder.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        pieces = _TOKEN.split(text)
        for literal in pieces[::2]:
            if set('{}\\:*?"<>|\0') & set(literal) or not literal.isprintable():
                raise InvalidArgument(
                    f"--template: {literal!r} cannot be in the name of a file on every system."
                )
        for field in pieces[1::2]:
            _check(field)
        if text.startswith("/") or {"..", "."} & set(text.split("/")):
            raise InvalidArgument("--template: it is relative to --into, without '..'.")
        if "{extension}" not in text.rpartition("/")[2]:
            raise InvalidArgument("--template: it ends with the file's name and {extension}.")

    def fill(self, values: Mapping[str, str | int]) -> str:
        """The path for these values; a folder whose name would be empty is left out.

        Args:
            values: By field. Texts are made safe; ``revision`` is a number; ``position`` is ""
                or ``_2``.
        """
        path = _TOKEN.sub(lambda found: _value(found[1], values), self._text)
        *folders, name = path.split("/")
        kept = [one.strip(" .") for one in folders]
        name = name.rstrip(" .")  # of an attachment without an extension
        if not name or name.startswith("."):
            name = f"{values['id']}{name}"
        return "/".join([*filter(None, kept), name])


def _check(field: str) -> None:
    name, colon, shape = field.partition(":")
    if name not in FIELDS:
        hint = did_you_mean(name, FIELDS, FIELDS)
        raise InvalidArgument(f"--template: there is no field {{{name}}}. {hint}")
    if colon and (name != "revision" or not _NUMBER_FORMAT.fullmatch(shape)):
        raise InvalidArgument(
            f"--template: {{{field}}}: only zeros before the revision, as in {{revision:03}}."
        )


def _value(field: str, values: Mapping[str, str | int]) -> str:
    name, _, shape = field.partition(":")
    value = values.get(name, "")
    if isinstance(value, int):
        return format(value, shape)
    if name == "position":
        return value
    return safe(value) if value else ""


def distinct(path: str, id_: str, taken: set[str]) -> str:
    """``path``, or with the beginning of the id in its name where somebody has it already.

    A part that Windows takes for a device (``CON``, ``nul.png``) has ``_`` in front.

    Args:
        path: As it would be.
        id_: Of what is to be called so.
        taken: What is in use, in lower case: some file systems do not tell A from a.
    """
    parts = [f"_{one}" if _DEVICE.match(one) else one for one in path.split("/")]
    stem, extension = posixpath.splitext("/".join(parts))
    for mark in ("", f"_{id_[:8]}", f"_{id_}"):
        path = f"{stem}{mark}{extension}"
        if path.lower() not in taken:
            break
    taken.add(path.lower())
    return path
