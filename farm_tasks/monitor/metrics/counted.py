"""The hashes of counts, as metrics.

What has a label that is not known is left out: who can write to Redis must not be able to fill
Prometheus.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from farm_tasks.counting import SUM
from farm_tasks.monitor.metrics.families import Family

Hash = Mapping[bytes, bytes]
Labels = tuple[str, ...]


def counter(family: Family, stored: Hash, *zeros: Labels) -> CounterMetricFamily:
    """A counter.

    Args:
        family: Which.
        stored: Its hash.
        zeros: Labels that are there from the beginning, so that Prometheus sees the first count.
    """
    values: dict[Labels, float] = dict.fromkeys(zeros, 0.0)
    for labels, value in _entries(stored):
        shown = labels if family.labels else ()
        if family.allows(shown):
            values[shown] = value
    metric = CounterMetricFamily(family.name, family.text, labels=list(family.labels))
    for labels, value in values.items():
        metric.add_metric(labels, value)
    return metric


def histogram(
    family: Family, stored: Hash, bounds: tuple[float, ...], *zeros: Labels
) -> HistogramMetricFamily:
    """A histogram.

    Args:
        family: Which.
        stored: Its hash: of each bucket, how many fell into it alone; and the sum.
        bounds: The upper bounds of the buckets but the last.
        zeros: As for a counter.
    """
    buckets: defaultdict[Labels, list[float]] = defaultdict(lambda: [0.0] * (len(bounds) + 1))
    sums: defaultdict[Labels, float] = defaultdict(float)
    numbers = {str(number): number for number in range(len(bounds) + 1)}
    for shown in zeros:
        buckets[shown] = [0.0] * (len(bounds) + 1)
    for (*labels, what), value in _entries(stored):
        shown = tuple(labels)
        if not family.allows(shown):
            continue
        if what == SUM:
            sums[shown] = value
        elif (number := numbers.get(what)) is not None:
            buckets[shown][number] = value
    metric = HistogramMetricFamily(family.name, family.text, labels=list(family.labels))
    names = [*map(_bound, bounds), "+Inf"]
    for shown, counts in buckets.items():
        cumulative = [sum(counts[: number + 1]) for number in range(len(counts))]
        metric.add_metric(shown, list(zip(names, cumulative, strict=True)), sums[shown])
    return metric


def _bound(value: float) -> str:
    return repr(float(value))


def _entries(stored: Hash) -> list[tuple[Labels, float]]:
    entries = []
    for name, text in stored.items():
        try:
            labels, value = tuple(name.decode().split("|")), float(text)
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            entries.append((labels, value))
    return entries
