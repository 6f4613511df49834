"""A list of rows as it stands in a file: JSON, or CSV as Excel and others write it."""

from __future__ import annotations

import codecs
import csv
import io
import json
import reprlib
from dataclasses import dataclass, field
from typing import Any

from farm_tasks.arguments import LARGEST_MESSAGE
from farm_tasks.errors import InvalidArgument

DELIMITERS = ",;\t"
"""Excel writes semicolons where the comma is the decimal point, and tabs as "Unicode Text"."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TableRow:
    """One row as it was written.

    Attributes:
        number: As people count: in a CSV list as a spreadsheet does, the header is row 1; in a
            JSON list the first object is row 1.
        cells: Values by column. Of a CSV list all are text.
        wrong: What is wrong with the row as such, or "".
    """

    number: int
    cells: dict[str, Any] = field(default_factory=dict)
    wrong: str = ""


def read_table(content: bytes, name: str) -> list[TableRow]:
    """The rows of a list.

    Args:
        content: The file's bytes. A JSON list begins with ``[``; all else is CSV.
        name: What the file is called, for messages.

    Raises:
        InvalidArgument: it is not a list of rows. What is wrong with one row alone is said there.
    """
    text = _decoded(content, name)
    start = text.lstrip()[:1]
    if start == "{":
        raise InvalidArgument(f"{name} holds one JSON object: a list of rows is [ {{...}}, ... ].")
    rows = _json_rows(text, name) if start == "[" else _csv_rows(text, name)
    if not rows:
        raise InvalidArgument(f"{name} has no rows.")
    return rows


def _decoded(content: bytes, name: str) -> str:
    encoding = next((one for mark, one in _BOMS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            f"{name} is not UTF-8 (byte {error.start:,}). In Excel, save it as 'CSV UTF-8'."
        ) from None


def _json_rows(text: str, name: str) -> list[TableRow]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{name} is not JSON: {error}.") from None
    except RecursionError:
        raise InvalidArgument(
            f"{name} has brackets within brackets without end: a list of rows is [ {{...}}, ... ], "
            "and a value is a text, a number, true, false or a list of texts."
        ) from None
    return [
        TableRow(number, one)
        if isinstance(one, dict)
        else TableRow(number, wrong=f"{reprlib.repr(one)} is not an object with the row's columns.")
        for number, one in enumerate(found, 1)
    ]


def _csv_rows(text: str, name: str) -> list[TableRow]:
    # Excel's own way to say what separates the columns. It does not count as a row there.
    first, _, rest = text.partition("\n")
    hint = first.strip().lower()
    if hint.startswith("sep=") and len(hint) == 5:
        text, delimiter = rest, hint[4]
    else:
        delimiter = max(DELIMITERS, key=first.count)
    # One cell that is too large is the fault of its row alone. The limit is the whole process's:
    # it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[TableRow] = []
    header: list[str] = []
    try:
        for number, cells in enumerate(reader, 1):
            if not any(one.strip() for one in cells):
                continue
            if header:
                rows.append(_csv_row(number, header, cells))
            else:
                header = _header(cells, name)
    except csv.Error as error:
        raise InvalidArgument(
            f"{name}, line {reader.line_num}: {error}. Is a quotation mark left open?"
        ) from None
    return rows


def _header(cells: list[str], name: str) -> list[str]:
    header = [one.strip() for one in cells]
    twice = sorted({one for one in header if one and header.count(one) > 1})
    if twice:
        raise InvalidArgument(f"{name} has the column {twice[0]!r} twice.")
    return header


def _csv_row(number: int, header: list[str], cells: list[str]) -> TableRow:
    spare = [one for one in cells[len(header) :] if one.strip()]
    nameless = [one for name, one in zip(header, cells, strict=False) if not name and one.strip()]
    if spare or nameless:
        value = (spare + nameless)[0]
        return TableRow(
            number, wrong=f"{value[:80]!r} is in no column: is a value with a separator unquoted?"
        )
    found = {name: one for name, one in zip(header, cells, strict=False) if name and one}
    for name, one in found.items():
        if len(one) > LARGEST_MESSAGE:
            return TableRow(
                number,
                wrong=f"The column {name[:80]!r} has {len(one):,} characters: a row has at most "
                f"{LARGEST_MESSAGE:,} bytes. Is a quotation mark left open?",
            )
    return TableRow(number, found)
