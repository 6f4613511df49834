"""``doctor``: what is installed, configured and running, and what to change."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator

import click

from farm_tasks.cli import checks, path_checks, text
from farm_tasks.cli.checks import Finding
from farm_tasks.cli.outcome import print_json

_MARKS = {
    "ok": ("ok", "green"),
    "hint": ("hint", "yellow"),
    "failed": ("FAILED", "red"),
    "not set": ("-", "bright_black"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def doctor(as_json: bool) -> None:
    """Check what is installed, configured and running, and say what to change.

    Run it where a submitter runs, and where a worker does with the worker's environment. The exit
    code is that of the first check that failed; hints do not count.
    """
    code = 0
    for finding in _findings():
        code = code or finding.exit_code
        if as_json:
            print_json(dataclasses.asdict(finding))
        else:
            _print(finding)
    click.get_current_context().exit(code)


def _findings() -> Iterator[Finding]:
    groups: tuple[Callable[[], Iterator[Finding]], ...] = (
        checks.versions,
        checks.settings_readable,
        path_checks.path_map,
        checks.broker,
        checks.result_backend,
        checks.workers,
        checks.kitsu,
        checks.roots,
        path_checks.spool,
        checks.limits,
    )
    for group in groups:
        for finding in group():
            yield finding
            if finding.ends_it:
                return


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.state]
    no_colour = False if "NO_COLOR" in os.environ else None
    label = click.style(f"{mark:<7}", fg=colour)
    click.echo(f"{label} {finding.name:<15} {text.one_line(finding.text)}", color=no_colour)
    if finding.advice:
        click.echo(f"{'':<24}{text.one_line(finding.advice)}")
