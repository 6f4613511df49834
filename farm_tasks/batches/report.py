"""What became of a batch, in a file: one row for each item."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_tasks.errors import FarmTasksError, FileUnreadable, InvalidArgument
from farm_tasks.plain_text import plain
from farm_tasks.states import FAILURE, REVOKED, SUCCESS

if TYPE_CHECKING:
    from farm_tasks.submit.record import Record

DONE, BEFORE, SKIPPED = "done", "done before", "skipped"
REFUSED, FAILED, CANCELLED, LEFT = "refused", "failed", "cancelled", "not submitted"
"""States of an item that is not under way."""

GOOD = frozenset([DONE, BEFORE, SKIPPED])
ENDED = frozenset([*GOOD, REFUSED, FAILED, CANCELLED])

SUFFIXES = (".json", ".csv")


@dataclass
class ReportRow:
    """What became of one item.

    Attributes:
        row: Its number in the list, from 1 on where there was no list.
        target: The task that is published to, or what is downloaded.
        files: The files, by their paths.
        state: ``done``; ``done before`` by an earlier run; ``skipped``, since the file is there;
            ``refused`` before it was submitted; ``failed``; ``cancelled``; ``not submitted``; or
            where it is, as ``farm-tasks status`` says it.
        error_type: The class of the error, or "".
        error: It in words, or "".
        exit_code: 0, or that of the error; None while it is not known.
        submission_id: Or "".
        urls: Where Kitsu shows the previews.
        seconds: From when it was submitted to its end, or None.
        bytes: What was moved.
        note: What else a person should know.
    """

    row: int
    target: str
    files: list[str] = field(default_factory=list)
    state: str = LEFT
    error_type: str = ""
    error: str = ""
    exit_code: int | None = None
    submission_id: str = ""
    urls: list[str] = field(default_factory=list)
    seconds: float | None = None
    bytes: int = 0
    note: str = ""

    def fail(self, state: str, error: FarmTasksError) -> None:
        """Note that it came to ``state`` by ``error``."""
        self.state, self.exit_code = state, error.exit_code
        self.error_type, self.error = type(error).__name__, str(error)

    def take(self, record: Record, sent_at: float, *, was_done: bool = False) -> None:
        """Note what is known of its submission.

        Args:
            record: As it stands.
            sent_at: When it was submitted, in seconds since the epoch.
            was_done: It had ended well before.
        """
        self.submission_id = record.id
        self.bytes = record.progress.bytes_read
        if record.state == SUCCESS:
            self.state = BEFORE if was_done else DONE
            self.exit_code = 0
            self._take_result(record.result)
        elif record.state in {FAILURE, REVOKED}:
            try:
                record.outcome()
            except FarmTasksError as error:
                self.fail(CANCELLED if record.state == REVOKED else FAILED, error)
        else:
            self.state = record.progress.stage or record.state.lower()
        if record.ended and not was_done:
            # The end is by the worker's clock.
            self.seconds = max(0.0, round(record.ended - sent_at, 3))

    def _take_result(self, result: Any) -> None:
        """What ``publish`` returned, as far as it is for a report."""
        if not isinstance(result, dict):
            return
        self.urls = [
            str(one["url"])
            for one in result.get("previews") or []
            if isinstance(one, dict) and one.get("url")
        ]
        self.note = "; ".join(filter(None, [self.note, *map(str, result.get("notes") or [])]))


def check_path(path: Path) -> None:
    """See that a report can be written there, before anything is done.

    Raises:
        InvalidArgument: it has another extension, or its folder is not there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidArgument(f"{path}: a report is a .json or a .csv file.")
    if not path.parent.is_dir():
        raise InvalidArgument(f"{path.parent} is not there: make the report's folder first.")
    if path.is_dir():
        raise InvalidArgument(f"{path} is a folder.")


def write(path: Path, rows: Iterable[ReportRow]) -> None:
    """Write a report, whole: whoever reads it meanwhile has the old one or the new one.

    Control characters are escaped as on the terminal; in JSON the paths stay what they are, in
    JSON's own escapes.

    Raises:
        FileUnreadable: it cannot be written.
    """
    dicts = [dataclasses.asdict(one) for one in rows]
    text = _as_csv(dicts) if path.suffix.lower() == ".csv" else _as_json(dicts)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("wb") as file:
            file.write(text.encode(errors="backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise FileUnreadable(f"{path} cannot be written: {error.strerror or error}.") from error


def _as_json(rows: list[dict[str, Any]]) -> str:
    shown = [
        {name: _shown(one) if isinstance(one, str) else one for name, one in row.items()}
        for row in rows
    ]
    # The one control character that JSON may have as it is.
    return json.dumps(shown, indent=1).replace("\x7f", "\\u007f") + "\n"


def _as_csv(rows: list[dict[str, Any]]) -> str:
    # With a byte order mark, or Excel takes it for the machine's old encoding.
    text = io.StringIO("\ufeff", newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text)
    names = [one.name for one in dataclasses.fields(ReportRow)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value that a spreadsheet or a terminal shows and does not run: names come from outside."""
    if isinstance(value, list):
        value = "\n".join(map(plain, value))
    elif isinstance(value, str):
        value = _shown(value)
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"}:
        return f"'{value}"
    return value


def _shown(text: str) -> str:
    """As on the terminal: a line break in a name makes no row."""
    return plain(" ".join(map(str.strip, text.splitlines())))
