from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.errors import NotConfigured
from farm_tasks.monitor.flower import access


def test_users_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("# who may\nada:s3cret:with:colons\n\n  bob:b  \n")
    assert access.users(path) == ["ada:s3cret:with:colons", "bob:b"]


@pytest.mark.parametrize("text", ["", "# nobody\n", "ada\n", ":s3cret\n", "ada:\n", "ada:\u00e9\n"])
def test_a_file_that_lets_nobody_or_everybody_in_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NotConfigured, match="FARM_TASKS_FLOWER_USERS_FILE") as caught:
        access.users(path)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="users: No such file"):
        access.users(tmp_path / "users")


def test_an_empty_user_would_let_in_who_sends_nothing() -> None:
    access.check_all(["ada:secret"])
    access.check_all(None)
    with pytest.raises(NotConfigured):
        access.check_all([""])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_needs_no_authentication(address: str) -> None:
    assert access.refusal(address, has_authentication=False) is None


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "10.0.0.7", "flower.studio.example"])
def test_the_network_does(address: str) -> None:
    said = access.refusal(address, has_authentication=False)
    assert said is not None
    assert "FARM_TASKS_FLOWER_USERS_FILE" in said
    assert access.refusal(address, has_authentication=True) is None


@pytest.mark.parametrize("host", ["localhost:5555", "127.0.0.1:5555", "[::1]:5555", "LOCALHOST"])
def test_names_of_this_machine(host: str) -> None:
    assert access.is_asked_for_here(host)


@pytest.mark.parametrize(
    "host", ["evil.example:5555", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "x@"]
)
def test_names_that_were_made_to_point_to_this_machine(host: str) -> None:
    assert not access.is_asked_for_here(host)


@pytest.mark.parametrize(
    ("headers", "own", "elsewhere"),
    [
        ({"Origin": "http://localhost:5555"}, True, False),
        ({"Sec-Fetch-Site": "same-origin"}, True, False),
        ({}, False, False),
        ({"Sec-Fetch-Site": "none"}, False, False),
        ({"Sec-Fetch-Site": "cross-site"}, False, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:5555"}, False, True),
        ({"Origin": "http://evil.example"}, False, True),
        ({"Origin": "null"}, False, True),
        ({"Origin": "http://localhost:8000"}, False, True),
    ],
)
def test_whose_page_sent_it(headers: dict[str, str], own: bool, elsewhere: bool) -> None:
    assert access.is_from_own_page(headers, "localhost:5555") is own
    assert access.is_from_elsewhere(headers, "localhost:5555") is elsewhere
