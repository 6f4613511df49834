"""How a queue, its batches, its Flower and its workers scale: whether the curves are level."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tests.benchmarks.batch_growth import RATE, batches_growing
from tests.benchmarks.crews import SLOTS, SLOW_SECONDS, crews
from tests.benchmarks.flower_growth import flower_growing
from tests.benchmarks.queued import SMALL_FILE, enqueued, growing
from tests.benchmarks.report import Curve, Figure, Findings, Promise, Table
from tests.benchmarks.run import Run

LEVEL = 1.5
"""What is level may differ by so much between the smallest size and the largest."""

FLOOR = 3.0
"""The same in CI, where others are at work on the machine."""


def measure(run: Run) -> Findings:
    found = Findings([], [])
    of_a_queue(run, found)
    of_submitters(run, found)
    of_batches(run, found)
    of_workers(run, found)
    of_flower(run, found)
    return found


def of_a_queue(run: Run, found: Findings) -> None:
    sizes = (1_000, 10_000, 100_000) if run.full else (1_000, 5_000)
    grown = growing(run, sizes, 500 if run.full else 200)
    found.tables.append(
        Table(
            f"a queue as it grows; drained: {SMALL_FILE / 1000:g} KB files, one worker, {SLOTS} "
            "threads",
            (
                "queued",
                "B each in Redis",
                "record",
                "message",
                "indexes",
                "submitted/s",
                "drained/s",
            ),
            [
                (
                    f"{one.size:,}",
                    *(f"{one.each[part]:,.0f}" for part in ("all", "record", "message", "indexes")),
                    f"{one.last.rate:,.0f}",
                    f"{one.drained:.0f}",
                )
                for one in grown
            ],
        )
    )
    looks = ("list_ms", "status_ms", "recent_ms", "failed_ms", "lost_ms")
    found.tables.append(
        Table(
            "looks at it, ms",
            ("queued", "`list`", "`status ID`", "recent()", "those that failed", "lost messages"),
            [(f"{one.size:,}", *(f"{getattr(one, name):.1f}" for name in looks)) for one in grown],
        )
    )
    first, last = grown[0], grown[-1]
    named = f"{last.size:,} queued beside {first.size:,}"
    found.promises.extend(
        [
            _level(f"{named}: bytes each", last.each["all"] / first.each["all"]),
            _level(f"{named}: time to submit one", first.last.rate / last.last.rate),
            _level(f"{named}: time to drain one", first.drained / last.drained),
            _level(f"{named}: `list`", last.list_ms / first.list_ms),
            _level(f"{named}: `status ID`", last.status_ms / first.status_ms),
            _level(f"{named}: recent()", last.recent_ms / first.recent_ms),
        ]
    )
    found.curves.extend(
        [
            Curve(
                "scale-bytes", "What a submission that waits takes in Redis", "queued", "bytes",
                {name: [(one.size, one.each[name]) for one in grown] for name in last.each},
            ),
            Curve(
                "scale-rates", "One submitter, and one worker (four threads, small files)",
                "queued", "a second",
                {
                    "submitted": [(one.size, one.last.rate) for one in grown],
                    "drained": [(one.size, one.drained) for one in grown],
                },
            ),
            Curve(
                "scale-looks", "Looking at a queue", "queued", "ms",
                {
                    name: [(one.size, getattr(one, field)) for one in grown]
                    for name, field in zip(
                        ("list", "status", "recent()", "those that failed", "lost messages"),
                        looks, strict=True,
                    )
                },
            ),
        ]
    )  # fmt: skip
    found.samples["queue"] = _plain(grown)


def of_submitters(run: Run, found: Findings) -> None:
    by_number = enqueued(run, 2_000 if run.full else 500, (1, 2, 4) if run.full else (1, 2))
    rows = []
    for number, taken in by_number.items():
        count = sum(one.count for one in taken.by)
        together = count / max(one.seconds for one in taken.by)
        cpu = sum(one.cpu for one in taken.by) / count
        rows.append((f"{number}", f"{together:,.0f}", f"{1e6 * cpu:.0f}", f"{taken.redis_us:.0f}"))
    found.tables.append(
        Table(
            "submitters at the same time, on this machine's cores with Redis",
            (
                "submitters", "submitted/s together", "CPU us of a submitter each",
                "CPU us of Redis each",
            ),
            rows,
        )
    )  # fmt: skip
    found.samples["submitters"] = {
        str(number): dataclasses.asdict(taken) for number, taken in by_number.items()
    }


def of_batches(run: Run, found: Findings) -> None:
    sizes = (100, 1_000, 10_000) if run.full else (100, 10_000)
    grown = batches_growing(run, sizes, 8.0 if run.full else 1.5)
    found.tables.append(
        Table(
            f"a batch as it grows; the watcher with {RATE} changes a second",
            (
                "members", "look, ms", "reading all, ms", "change, us in Redis", "without a batch",
                "commands", "watcher, % of a core", "B each",
            ),
            [
                (
                    f"{one.size:,}", f"{one.look_ms:.2f}", f"{one.all_ms:.1f}",
                    f"{one.update_us:.1f}", f"{one.alone_us:.1f}", f"{one.commands:.0f}",
                    f"{one.watcher:.1f}", f"{one.each:.0f}",
                )
                for one in grown
            ],
        )
    )  # fmt: skip
    first, last = grown[0], grown[-1]
    named = f"a batch of {last.size:,} beside one of {first.size:,}"
    found.promises.extend(
        [
            _level(f"{named}: a look at its progress", last.look_ms / first.look_ms),
            _level(f"{named}: a change of a member, in Redis", last.update_us / first.update_us),
            Promise(
                f"{named}: the same commands of Redis for a change",
                Figure.exact(last.commands / first.commands), 1.0, 1.05, at_most=True,
            ),
            Promise(
                f"Group.watch, {last.size:,} members, {RATE} changes a second: <= 5 % of a core",
                Figure.exact(last.watcher), 5.0, at_most=True, digits=1,
            ),
        ]
    )  # fmt: skip
    found.curves.append(
        Curve(
            "scale-batch", "The overall progress of a batch", "members", "ms",
            {
                "a look": [(one.size, one.look_ms) for one in grown],
                "a change, in Redis": [(one.size, one.update_us / 1000) for one in grown],
                "reading all records": [(one.size, one.all_ms) for one in grown],
            },
        )
    )  # fmt: skip
    found.samples["batches"] = _plain(grown)


def of_workers(run: Run, found: Findings) -> None:
    done = crews(run, (1, 2, 4, 8) if run.full else (1, 2), 12 if run.full else 2)
    found.tables.append(
        Table(
            f"workers of {SLOTS} threads; transfers of {SLOW_SECONDS:g} s each, and such as are "
            "bound by CPU",
            (
                "workers", "slow/s, each worker", "fast/s, each worker", "fast/s, all",
                "Redis commands a transfer", "CPU us of Redis a transfer", "connections a worker",
            ),
            [
                (
                    f"{one.workers}", f"{one.slow:.2f}", f"{one.fast:.0f}",
                    f"{one.fast * one.workers:.0f}", f"{one.commands:.0f}", f"{one.redis_us:.0f}",
                    f"{one.connections:.0f}",
                )
                for one in done
            ],
        )
    )  # fmt: skip
    first, last = done[0], done[-1]
    text = f"{last.workers} workers beside {first.workers}: what each drains >= 0.9"
    figure = Figure.exact(last.slow / first.slow)
    found.promises.append(Promise(text, figure, 0.9, 0.6))
    found.curves.append(
        Curve(
            "scale-workers", f"What each worker drains: transfers of {SLOW_SECONDS:g} s", "workers",
            "a second", {"each worker": [(one.workers, one.slow) for one in done]},
            logarithmic=False,
        )
    )  # fmt: skip
    found.samples["workers"] = _plain(done)


def of_flower(run: Run, found: Findings) -> None:
    grown = flower_growing(run, (1_000, 10_000, 100_000) if run.full else (1_000, 5_000))
    found.tables.append(
        Table(
            "Flower as it hears of more",
            ("tasks", "MiB", "list, ms", "list with a search, ms", "batches, ms"),
            [
                (
                    f"{one.size:,}", f"{one.memory:.0f}", f"{one.page_ms:.1f}",
                    f"{one.search_ms:.1f}", f"{one.batches_ms:.1f}",
                )
                for one in grown
            ],
        )
    )  # fmt: skip
    found.curves.append(
        Curve(
            "scale-flower", "Flower's list", "tasks", "ms",
            {
                "a page": [(one.size, one.page_ms) for one in grown],
                "with a search": [(one.size, one.search_ms) for one in grown],
            },
        )
    )  # fmt: skip
    found.samples["flower"] = _plain(grown)


def _level(text: str, ratio: float) -> Promise:
    return Promise(f"{text} <= {LEVEL:g}", Figure.exact(ratio), LEVEL, FLOOR, at_most=True)


def _plain(values: Sequence[object]) -> list[object]:
    return [dataclasses.asdict(one) for one in values]  # type: ignore[call-overload]
