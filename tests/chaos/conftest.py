from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks.sandbox import SandboxInfo
from tests.chaos.phases import ON_THE_ROAD
from tests.chaos.stage import Stage, running_stage

SLOTS = len(ON_THE_ROAD) + 1
"""One for each phase at once, and one for the acknowledgement."""


@pytest.fixture
def stage(sandbox: SandboxInfo, tmp_path: Path) -> Iterator[Stage]:
    """A stage of this test's own, without workers yet."""
    with running_stage(sandbox, tmp_path, SLOTS) as stage:
        yield stage


@pytest.fixture(scope="module")
def lasting_stage(
    sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A stage of a module, with a worker whom nobody kills."""
    with running_stage(sandbox, tmp_path_factory.mktemp("lasting"), SLOTS) as stage:
        stage.crew.hire()
        yield stage
