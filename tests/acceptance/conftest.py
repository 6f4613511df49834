from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.farm import Farm, running_farm


@pytest.fixture(scope="module", params=["prefork", "threads"])
def farm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    """A farm whose Redis nobody hurts, with each pool in turn."""
    with running_farm(tmp_path_factory.mktemp("farm"), pool=request.param) as farm:
        yield farm


@pytest.fixture
def fragile_farm(tmp_path: Path) -> Iterator[Farm]:
    """A farm of this test's own, in the recommended pool."""
    with running_farm(tmp_path) as farm:
        yield farm
