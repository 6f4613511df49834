"""The alerts and the scrape configuration, as Prometheus itself reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from farm_tasks.monitor.metrics import families
from farm_tasks.monitor.metrics.families import Family
from tests.support.installed import program

FOLDER = Path(__file__).parents[2] / "worker_config" / "prometheus"
RULES = (FOLDER / "rules.yml").read_text()
TESTS = (FOLDER / "rules_test.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
NAMES = {one.name for one in vars(families).values() if isinstance(one, Family)}


def metrics_in(expression: str) -> set[str]:
    """The metrics of ours that an expression names, without what a kind of metric adds."""
    found = re.findall(r"\bfarm_tasks_\w+", expression)
    return {re.sub(r"_(total|bucket|sum|count)$", "", one) for one in found}


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        cwd=FOLDER, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.operations
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "rules.yml")


@pytest.mark.operations
def test_each_alert_fires_and_is_quiet_as_its_tests_expect() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_there_is_a_test_that_each_alert_fires_and_one_that_it_does_not() -> None:
    cases = re.findall(r"alertname: (\w+)\n\s+exp_alerts:( \[\])?", TESTS)
    assert len(ALERTS) > 5
    assert {name for name, quiet in cases if not quiet} == set(ALERTS)
    assert {name for name, quiet in cases if quiet} == set(ALERTS)


def test_each_alert_says_what_to_do_and_where_to_read_on() -> None:
    for block in RULES.split("- alert: ")[1:]:
        name = block.split()[0]
        assert f"runbook_url: docs/operations.md#{name.lower()}\n" in block
        assert all(f"{field}:" in block for field in ("severity", "summary", "description")), name


def test_the_rules_name_no_metric_that_is_not_there() -> None:
    named = metrics_in(re.sub(r"https?://\S+|#.*", "", RULES).replace('"farm_tasks"', ""))
    assert named <= NAMES
