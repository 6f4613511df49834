from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from farm_tasks.cli.flower import flower
from farm_tasks.errors import NotConfigured


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that this process would have become."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    monkeypatch.delenv("FLOWER_CONF", raising=False)
    return commands


def test_the_command_starts_flower_with_our_configuration(started: list[list[str]]) -> None:
    arguments = ["--address", "127.0.0.1", "--port", "0", "--", "--persistent=True"]
    assert CliRunner().invoke(flower, arguments, catch_exceptions=False).exit_code == 0
    [[python, *command]] = started
    assert python == sys.executable
    assert command[:5] == ["-m", "celery", "-A", "farm_tasks", "flower"]
    conf = Path(command[5].removeprefix("--conf="))
    assert (conf.name, conf.is_file()) == ("flowerconfig.py", True)
    assert command[6:] == ["--address=127.0.0.1", "--port=0", "--persistent=True"]


def test_another_configuration_can_be_chosen(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWER_CONF", "/etc/farm-tasks/flowerconfig.py")
    CliRunner().invoke(flower, [], catch_exceptions=False)
    assert started == [[sys.executable, "-m", "celery", "-A", "farm_tasks", "flower"]]


def test_without_the_extra_it_says_what_to_install(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotConfigured, match=r"pip install 'farm-tasks\[flower\]'"):
        CliRunner().invoke(flower, [], catch_exceptions=False)
    assert started == []
