"""What the tests of Flower's pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.monitor.flower.farm import Farm, running_farm

if TYPE_CHECKING:
    import playwright.sync_api as playwright


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm for all tests of a module; each takes new submissions."""
    with running_farm(tmp_path_factory.mktemp("farm"), "threads", 4) as farm:
        yield farm


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    from tests.monitor.flower.running import running_browser

    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A window of 1280 by 800, whose scripts must not fail."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []
