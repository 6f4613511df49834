"""``python -m tests.benchmarks [--full] [SECTION ...]``: tables, promises, build/bench.json.

Ends with 1 if a promise is broken beyond its floor, which CI fails on; one that is only missed is
explained in docs/performance.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import document
from tests.benchmarks.machine import load, machine
from tests.benchmarks.report import Findings
from tests.benchmarks.run import Run

SECTIONS = (
    "one_transfer", "many_transfers", "small_files", "progress", "scale", "start_up",
)  # fmt: skip
"""Each is a module of this package with ``measure(run) -> Findings``."""


def main() -> None:
    options = _options()
    facts: dict[str, object] = {**machine(), "full": options.full, "load_before": load()}
    found: dict[str, Findings] = {}
    seconds: dict[str, int] = {}
    for name in options.sections or SECTIONS:
        begun = time.monotonic()
        section = importlib.import_module(f"tests.benchmarks.{name}")
        with tempfile.TemporaryDirectory(prefix="farm-tasks-bench-") as folder:
            run = Run(options.full, Path(folder))
            found[name] = section.measure(run)
            run.tell("")
        seconds[name] = round(time.monotonic() - begun)
        _print(name, found[name], seconds[name])
    facts |= {"load_after": load(), "seconds": seconds}
    out = Path("build/bench-full.json" if options.full else "build/bench.json")
    _write(out, found, facts)
    if options.document:
        document.write(found, facts)
    print(f"{facts['cpu']}, {facts['cores']} cores, load {facts['load_before']}; {out}")
    print("Median (least-most). Ratios compare what ran side by side.")
    broken = [one for part in found.values() for one in part.promises if one.broken]
    sys.exit(f"{len(broken)} promise(s) broken" if broken else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--full", action="store_true", help="everything, for an hour or so")
    parser.add_argument(
        "--document", action="store_true", help="write docs/performance.md and its pictures"
    )
    options = parser.parse_args()
    for name in options.sections:
        if name not in SECTIONS:
            parser.error(f"{name} is none of {', '.join(SECTIONS)}")
    return options


def _print(name: str, findings: Findings, seconds: int) -> None:
    print(f"--- {name}, {seconds} s\n")
    for table in findings.tables:
        print("\n".join(table.lines()), end="\n\n")
    for promise in findings.promises:
        print(promise.line())
    print(flush=True)


def _write(path: Path, found: dict[str, Findings], facts: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    sections = {
        name: {
            "tables": [dataclasses.asdict(one) for one in findings.tables],
            "promises": [
                {**dataclasses.asdict(one), "verdict": one.verdict} for one in findings.promises
            ],
            "curves": [dataclasses.asdict(one) for one in findings.curves],
            "samples": findings.samples,
        }
        for name, findings in found.items()
    }
    path.write_text(json.dumps({**facts, "sections": sections}, indent=1) + "\n")


if __name__ == "__main__":
    main()
