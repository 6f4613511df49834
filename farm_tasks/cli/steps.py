"""What a command that takes a while says: one line for each step, and a spinner meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from farm_tasks.cli import text

_WIDTH = 10


class Step:
    """A step under way.

    Args:
        title: What the step is called.
        doing: What a person waits for.
        log: Where lines go instead of a spinner, if so.
    """

    def __init__(self, title: str, doing: str, log: Console | None = None) -> None:
        self._title = title
        self._log = log
        self.doing = doing
        self._began = time.monotonic()
        self.outcome = ""

    def say(self, line: str) -> None:
        """Tell what is going on; in a log it gets a line of its own.

        What changes many times a second is set as ``doing`` instead.
        """
        self.doing = line
        if self._log is not None:
            self._log.print(self.row(line, ""))

    def __rich__(self) -> Text:
        """The row beside the spinner, drawn anew with each of its frames."""
        return self.row(self.doing, "bold")

    def row(self, line: str, style: str) -> Text:
        """The step, ``line`` and the seconds so far."""
        return Text.assemble(
            (f"{self._title:<{_WIDTH}}", style),
            text.one_line(line),
            (f"  {time.monotonic() - self._began:.1f} s", "dim"),
        )


class Steps:
    """Prints steps: with a spinner on a terminal, as lines in a log.

    Args:
        stderr: Leave stdout to something else.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        self.console = Console(
            file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._live = stream.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}

    def say(self, title: str, line: str) -> None:
        """Print a line of its own, for what shows its progress otherwise."""
        self.console.print(Text.assemble((f"{title:<{_WIDTH}}", "bold green"), text.one_line(line)))

    @contextmanager
    def step(self, title: str, doing: str) -> Iterator[Step]:
        """Say what is being done; at the end, set ``outcome`` to what came of it.

        Args:
            title: A word.
            doing: What a person waits for.
        """
        step = Step(title, doing, None if self._live else self.console)
        with contextlib.ExitStack() as stack:
            if self._live:
                # A spinner of ASCII: it must not fail where the encoding has nothing better.
                status = Status(step, console=self.console, spinner="line", refresh_per_second=5)
                stack.enter_context(status)
            yield step
        self.console.print(step.row(step.outcome or doing, "bold green"))
