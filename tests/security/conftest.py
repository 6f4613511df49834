from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.farm import Farm, running_farm


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm whose queue anybody may write to."""
    with running_farm(tmp_path_factory.mktemp("farm"), concurrency=2) as farm:
        yield farm
