"""Progress as render farms read it from a command's output, one line at a time."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from farm_tasks.plain_text import plain

LONGEST_TEXT = 1000
"""Characters of a text in a line. OpenJD's reader cuts lines at 64 KiB, and takes what comes after
the cut for another line (openjd-sessions 0.13, ``LOG_LINE_MAX_LENGTH``)."""

# OpenJD looks at a line's beginning, Afanasy anywhere (CGRU 3.4.1, afanasy/python/parsers).
_DIRECTIVE = re.compile(
    r"(?P<word>(?i:openjd|alf|tr)(?=_)|(?:PROGRESS|FRAME|ACTIVITY|REPORT)(?=: )"
    r"|(?=(?i:\[ parser))|(?=@IMAGE))(?P<sign>.)"
)


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a farm wants to be told.

    Attributes:
        progress: Format of the line for ``percent``, an integer from 0 to 100.
        status: Format of the line for ``text``, what is being done.
        failure: Format of the line for ``text``, why it failed.
    """

    progress: str
    status: str = "{text}"
    failure: str = "{text}"

    def lines(
        self, percent: int | None, text: str | None, *, failed: bool = False
    ) -> Iterator[str]:
        """The lines that tell ``percent`` and ``text``; None for what has not changed.

        Args:
            percent: 0 to 100; what is outside is brought to the nearer of them.
            text: What is done, or with ``failed``, why it failed. Whatever it holds, it comes out
                as one printable line, and no farm takes a part of it for a directive.
            failed: Whether this is the end, and a bad one.
        """
        if text is not None:
            yield (self.failure if failed else self.status).format(text=harmless(text))
        if percent is not None:
            yield self.progress.format(percent=min(100, max(0, percent)))


DIALECTS = {
    "alf": Dialect("ALF_PROGRESS {percent}%"),
    "afanasy": Dialect("PROGRESS: {percent}%", status="ACTIVITY: {text}"),
    "openjd": Dialect(
        "openjd_progress: {percent}.0",
        status="openjd_status: {text}",
        failure="openjd_fail: {text}",
    ),
}
"""``alf`` is what Tractor reads, ``afanasy`` what its parser ``generic`` does, ``openjd`` what
sessions of Open Job Description do (2023-09, "Stdout/Stderr Messages")."""

NAMES = ("bar", *DIALECTS, "json", "none")
"""What ``--progress`` takes."""


def harmless(text: str) -> str:
    """``text`` as one printable line, in which what farms take for a directive is escaped."""
    line = plain(re.sub(r"\s+", " ", text.strip()))
    line = _DIRECTIVE.sub(lambda found: f"{found['word']}\\x{ord(found['sign']):02x}", line)
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 2]}.."
