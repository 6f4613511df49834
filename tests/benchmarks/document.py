"""docs/performance.md: its tables and pictures, written anew from what a run has found.

What stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` is a section's; all else is prose.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from tests.benchmarks.report import Curve, Findings

DOCUMENT = Path("docs/performance.md")
PICTURES = Path("docs/images")


def write(found: dict[str, Findings], facts: dict[str, object]) -> None:
    """Replace the sections that were measured, and draw their curves."""
    text = DOCUMENT.read_text()
    for name, findings in found.items():
        lines = [f"_{_when(facts)}_", ""]
        for table in findings.tables:
            lines += [*table.markdown(), ""]
        for curve in findings.curves:
            draw(curve, PICTURES / f"bench-{curve.name}.svg")
            lines += [f"![{curve.title}](images/bench-{curve.name}.svg)", ""]
        if findings.promises:
            lines += ["| promise | measured | |", "|---|---|---|"]
            lines += [
                f"| {one.text} | {one.figure.text(one.digits)} | {_verdict(one.verdict)} |"
                for one in findings.promises
            ]
        text = replaced(text, name, lines)
    DOCUMENT.write_text(text)


def replaced(text: str, name: str, lines: list[str]) -> str:
    """``text`` with other lines in the section of this name.

    Raises:
        ValueError: it has no such section.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    body = "\n".join(lines).strip()
    done, count = pattern.subn(lambda match: f"{match[1]}{body}\n{match[2]}", text)
    if count != 1:
        raise ValueError(f"{DOCUMENT} has no section {name}")
    return done


def draw(curve: Curve, path: Path) -> None:
    """A picture of a curve. Needs matplotlib, which the dependency group ``bench`` has."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = curve.name  # the same picture for the same figures
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for name, points in curve.lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    if curve.logarithmic:
        axes.set_xscale("log")
    axes.set_ylim(0, 1.1 * max(y for points in curve.lines.values() for _, y in points))
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    axes.set_title(curve.title)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curve.lines) > 1:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _verdict(verdict: str) -> str:
    return verdict if verdict == "kept" else f"**{verdict.lower()}**"


def _when(facts: dict[str, object]) -> str:
    packages = facts["packages"]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())  # type: ignore[attr-defined]
    changed = ", with changes" if facts["changed_since"] else ""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"{today}, {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, {versions}; "
        f"commit {facts['commit']}{changed}"
    )
