"""What the tests of movies share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_studio_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever $OCIO says on this machine."""
    monkeypatch.delenv("OCIO", raising=False)
