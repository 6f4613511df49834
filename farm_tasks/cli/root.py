"""The command itself: its subcommands, loaded when they are called, and how it ends."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import TextIO

import click

from farm_tasks import __version__
from farm_tasks.cli.text import one_line
from farm_tasks.errors import FarmTasksError, PermanentFailure

INTERRUPTED = 130
"""128 and SIGINT, as shells have it."""

BROKEN_PIPE = 1
"""Click's code where the reader of our output has gone, as in ``farm-tasks list | head -1``."""

_COMMANDS = {
    "publish": ("publish:publish", "Publish a render: a file or frames, on a task in Kitsu."),
    "submit": ("submit:submit", "Submit a transfer: one command for each of gazu's functions."),
    "status": ("status:status", "Show where submissions are."),
    "watch": ("follow:watch", "Follow submissions until they end, with bars."),
    "cancel": ("status:cancel", "Stop submissions."),
    "retry": ("retry:retry", "Run again what failed or was cancelled."),
    "list": ("listing:listing", "List the newest submissions."),
    "batch": ("batch:batch", "Transfer many files as one."),
    "spool": ("spool:spool", "Submit what waited in a folder while the broker was away."),
    "worker": ("worker:worker", "Run a worker on this machine."),
    "farms": ("farms:farms", "List or copy the files that render farms need."),
    "flower": ("flower:flower", "Watch workers and transfers in a browser."),
    "metrics": ("metrics:metrics", "Serve figures for Prometheus."),
    "map-path": ("map_path:map_path", "Show what the path map makes of a path, and why."),
    "doctor": ("doctor:doctor", "Check what is installed, configured and running."),
    "demo": ("demo:demo", "See it work: a real Kitsu, a worker and a movie through them."),
    "sandbox": ("sandbox:sandbox", "A real Kitsu and Redis on this machine, to try things on."),
}
"""Of each command its module and name there, and its line in the help."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f"farm_tasks.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click's own loads every command for its short help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 2 usage, 3 not found, 4 denied, 5 failed for good, "
    "75 temporary (try again), 130 interrupted.",
)
@click.version_option(__version__, prog_name="farm-tasks")
def command() -> None:
    """Move renders between a farm and Kitsu, with progress that is true.

    A submission is a line in Redis; a worker does the transfer. FARM_TASKS_BROKER_URL and
    FARM_TASKS_RESULT_BACKEND say where Redis is. New here? `farm-tasks demo` shows it all.
    """


def run() -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        _print_anything(stream)
    # What a command has started or changed on the terminal is put back when it is told to end.
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)
    try:
        # A command that ends with a code of its own leaves by ctx.exit, which returns it here.
        code = command.main(prog_name="farm-tasks", standalone_mode=False)
        sys.stdout.flush()
    except FarmTasksError as error:
        if os.environ.get("FARM_TASKS_DEBUG", "0") not in {"", "0"}:
            raise
        print_error(str(error))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        code = BROKEN_PIPE
    except OSError as error:
        _forget_output()
        print_error(f"The output cannot be written: {error.strerror or error}")
        code = PermanentFailure.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def print_error(message: str) -> None:
    """Print ``error: message`` as one line on stderr; control characters in it are escaped."""
    label = click.style("error:", fg="red", bold=True)
    click.echo(
        f"{label} {one_line(message)}", err=True, color=False if "NO_COLOR" in os.environ else None
    )


def _forget_output() -> None:
    """Python flushes stdout once more at exit, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _print_anything(stream: TextIO) -> None:
    """Let names that the terminal's encoding lacks be printed as escapes."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
