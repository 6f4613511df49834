"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import farm_tasks.submit
from farm_tasks.kitsu import operations
from farm_tasks.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    relative = [one for one in targets if "://" not in one]
    assert [one for one in relative if not (document.parent / one).exists()] == []


def test_the_readme_names_every_function() -> None:
    assert [one for one in operations.__all__ if f"`{one}`" not in README] == []


def test_the_readme_names_every_setting() -> None:
    names = set()
    for field in Settings.model_fields.values():
        choices = getattr(field.validation_alias, "choices", [field.alias])
        names |= {one for one in choices if isinstance(one, str) and one.isupper()}
    assert [one for one in sorted(names) if f"`{one}`" not in README] == []


def test_the_submitters_package_lists_what_it_has() -> None:
    assert set(farm_tasks.submit.__all__) == set(farm_tasks.submit._MODULE_OF)
    assert set(operations.__all__) <= set(farm_tasks.submit.__all__)
