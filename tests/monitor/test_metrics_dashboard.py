"""The dashboard's file: what of it can be told without Grafana."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.monitor.test_metrics_rules import NAMES, metrics_in

FOLDER = Path(__file__).parents[2] / "worker_config" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "farm_tasks.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    )  # fmt: skip


def test_panels_have_ids_of_their_own_and_places_that_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def test_every_target_asks_the_data_source_of_the_variable_and_has_a_letter_of_its_own() -> None:
    for panel in PANELS:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len(set(letters))
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    default = variables["datasource"]["current"]["value"]
    source = (FOLDER / "provisioning" / "datasources" / "prometheus.yml").read_text()
    assert f"uid: {default}\n" in source


def test_every_metric_is_shown_and_none_that_is_not_there() -> None:
    shown = set().union(*map(metrics_in, EXPRESSIONS))
    assert shown == NAMES
