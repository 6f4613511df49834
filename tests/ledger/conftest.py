from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gazu.client import KitsuClient

from tests.ledger.model_kitsu import ModelKitsu, model_kitsu


@pytest.fixture(scope="module")
def server() -> Iterator[ModelKitsu]:
    with model_kitsu() as running:
        yield running


@pytest.fixture
def kitsu(server: ModelKitsu) -> ModelKitsu:
    server.clear()
    server.fates = []
    return server


@pytest.fixture
def client(kitsu: ModelKitsu) -> KitsuClient:
    client = KitsuClient(kitsu.url)
    client.access_token = "token"
    return client


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    for number, name in enumerate(["shot.zip", "notes.txt", "grade.cdl"], 1):
        (tmp_path / name).write_bytes(b"x" * number)
    return {one.stem: str(one) for one in tmp_path.iterdir()}
