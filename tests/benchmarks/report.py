"""The figures: as a table with the ratios first, as promises kept or missed, and as JSON."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.contenders import Sample

GIB = 1024**3


@dataclass(frozen=True)
class Figure:
    """A median and how far the rounds lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Figure:
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}-{self.most:.{digits}f})"


@dataclass(frozen=True)
class Table:
    """The rounds of one direction.

    Attributes:
        title: What was done.
        yardstick: The contender that the others are divided by.
        rounds: For each contender and each round, one sample or more.
        size: Bytes that each moved.
    """

    title: str
    yardstick: str
    rounds: dict[str, list[list[Sample]]]
    size: int

    def ratio(self, name: str) -> Figure | None:
        """Speed over the yardstick's, round by round: what slows both down falls out."""
        other = self.rounds.get(self.yardstick)
        if not other:
            return None
        pairs = zip(self.rounds[name], other, strict=True)
        return Figure.of(_seconds(theirs) / _seconds(these) for these, theirs in pairs)

    def samples(self, name: str) -> list[Sample]:
        """Those of all rounds."""
        return [sample for turns in self.rounds[name] for sample in turns]

    def lines(self) -> list[str]:
        lines = [
            self.title,
            f"{'':20}{'x ' + self.yardstick:>20}{'MB/s':>20}{'CPU s/GiB':>20}{'peak MiB':>10}",
        ]
        for name in self.rounds:
            ratio = self.ratio(name)
            samples = self.samples(name)
            speed = Figure.of(self.size / one.seconds / 1e6 for one in samples)
            cpu = Figure.of(one.cpu * GIB / self.size for one in samples)
            most = max(one.peak for one in samples) / 1024**2
            lines.append(
                f"{name:20}{ratio.text(2) if ratio else '-':>20}{speed.text(0):>20}"
                f"{cpu.text(2):>20}{most:>10.0f}"
            )
        return lines


def _seconds(turns: list[Sample]) -> float:
    return statistics.median(one.seconds for one in turns)


@dataclass(frozen=True)
class Promise:
    """What the design says of the speed."""

    text: str
    table: Table
    name: str
    least: float

    def line(self) -> str:
        ratio = self.table.ratio(self.name)
        if ratio is None:
            return f"LEFT OUT  {self.text}: there is nothing to compare with"
        verdict = "PASS" if ratio.median >= self.least else "MISSED"
        noisy = ratio.least < self.least <= ratio.most
        note = " - the rounds disagree: run it again on a quiet machine" if noisy else ""
        return f"{verdict:8}  {self.text}: {ratio.text(2)}{note}"


def machine() -> dict[str, object]:
    """What the figures depend on."""
    packages = ("celery", "gazu", "kombu", "redis", "requests", "urllib3")
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "curl": _first_line("curl", "--version"),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
        "changed_since": bool(_first_line("git", "status", "--porcelain", "farm_tasks")),
    }


def write(path: Path, tables: list[Table], promises: list[Promise], facts: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    content = {
        **facts,
        "promises": [promise.line() for promise in promises],
        "tables": [
            {
                "title": table.title,
                "yardstick": table.yardstick,
                "size": table.size,
                "rounds": {
                    name: [[dataclasses.asdict(one) for one in turns] for turns in rounds]
                    for name, rounds in table.rounds.items()
                },
            }
            for table in tables
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def load() -> list[float]:
    """The load averages: above 1 before the start, others are at work."""
    return [round(one, 2) for one in os.getloadavg()]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]
