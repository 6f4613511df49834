"""Figures as a person reads them: medians with their spread, tables, promises kept or missed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


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

    @classmethod
    def exact(cls, value: float) -> Figure:
        """One that was measured once, or that does not vary."""
        return cls(value, value, value)

    @classmethod
    def ratio(cls, these: Sequence[float], those: Sequence[float]) -> Figure:
        """Of what was measured side by side: what slows a whole round falls out."""
        return cls.of(one / other for one, other in zip(these, those, strict=True))

    def text(self, digits: int = 2) -> str:
        median = f"{self.median:,.{digits}f}"
        if self.least == self.most:
            return median
        return f"{median} ({self.least:,.{digits}f}-{self.most:,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so much of them, 0 to 1, do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass(frozen=True)
class Table:
    """What was measured, one row for each contender or size.

    Attributes:
        title: What was done, with sizes and rounds.
        columns: Their headings; the first is that of the rows' names.
        rows: The cells as text, as many in each as there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def lines(self) -> list[str]:
        """For a terminal."""
        widths = [max(map(len, cells)) for cells in zip(self.columns, *self.rows, strict=True)]
        lines = []
        for first, *rest in (self.columns, *self.rows):
            cells = [one.rjust(width) for one, width in zip(rest, widths[1:], strict=True)]
            lines.append("  ".join([first.ljust(widths[0]), *cells]))
        return [self.title.upper(), *lines]

    def markdown(self) -> list[str]:
        """For docs/performance.md."""
        head, *rows = (f"| {' | '.join(cells)} |" for cells in (self.columns, *self.rows))
        rule = f"|{'---|' * len(self.columns)}"
        return [f"**{self.title}**", "", head, rule, *rows]


@dataclass(frozen=True)
class Promise:
    """What the project says of its speed, and whether it was kept.

    Attributes:
        text: What is promised, with its goal.
        figure: What was measured.
        goal: What its median has to reach.
        floor: What a run in CI fails beyond: the goal with room for a machine that is shared. None
            for what CI does not look at.
        at_most: Whether less is better.
        digits: Behind the point.
    """

    text: str
    figure: Figure
    goal: float
    floor: float | None = None
    at_most: bool = False
    digits: int = 2

    @property
    def kept(self) -> bool:
        return self._reaches(self.figure.median, self.goal)

    @property
    def broken(self) -> bool:
        """Whether it is beyond what noise explains."""
        return self.floor is not None and not self._reaches(self.figure.median, self.floor)

    @property
    def verdict(self) -> str:
        return "BROKEN" if self.broken else "kept" if self.kept else "MISSED"

    def line(self) -> str:
        floor = f"; floor {self.floor:g}" if self.floor is not None else ""
        return f"{self.verdict:7} {self.text}: {self.figure.text(self.digits)}{floor}"

    def _reaches(self, value: float, bound: float) -> bool:
        return value <= bound if self.at_most else value >= bound


@dataclass(frozen=True)
class Curve:
    """How something grows, to be drawn.

    Attributes:
        name: The picture's, ``docs/images/bench-<name>.svg``.
        title: Above it.
        x, y: What the axes say, with units.
        lines: For each line its name and its points.
        logarithmic: Whether the x axis is.
    """

    name: str
    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    logarithmic: bool = True


@dataclass(frozen=True)
class Findings:
    """What one section of the benchmark has found.

    Attributes:
        samples: Every single measurement, JSON-safe, for build/bench.json.
    """

    tables: list[Table]
    promises: list[Promise]
    curves: list[Curve] = field(default_factory=list)
    samples: dict[str, Any] = field(default_factory=dict)
