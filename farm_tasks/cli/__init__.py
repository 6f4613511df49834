"""``farm-tasks``: the command line.

One module per noun. root (the command and its errors) loads a subcommand's module when it is
called, so that help is quick and a submitter's commands load neither gazu nor the worker; text,
outcome, views and bars are what they print with. May import everything; nothing imports it.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from farm_tasks.cli.root import run  # noqa: PLC0415 (importing the package costs nothing)

    run()
