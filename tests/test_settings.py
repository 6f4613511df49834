"""A setting that cannot be used is named, and what it holds is not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.errors import NotConfigured
from farm_tasks.settings import Settings, settings
from tests.support.environment import environment_of

ADDRESSES = ["FARM_TASKS_BROKER_URL", "FARM_TASKS_RESULT_BACKEND"]


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "value",
    [
        " ",
        "foo",
        "http://redis:6379/0",
        "redis://:se#kret@127.0.0.1:6379/0",
        "redis://:se/kret@127.0.0.1:6379/0",
        "redis://:sekret@127.0.0.1:notaport/0",
        "redis://:sekret@127.0.0.1:6379/abc",
        "redis://[::1",
    ],
)
def test_what_is_no_address_is_refused_without_telling_a_password(name: str, value: str) -> None:
    with environment_of({name: value}), pytest.raises(NotConfigured, match=name) as caught:
        settings()
    assert "kret" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["redis://h:6379/0", "rediss://user:p%23w@h:6380/1?ssl_cert_reqs=required"]
)
def test_an_address_of_redis_will_do(value: str) -> None:
    with environment_of(dict.fromkeys(ADDRESSES, value)):
        assert settings().broker_url.get_secret_value() == value
        assert value not in repr(settings())


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_may_be_in_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("redis://:p%23w@h:6379/0\n")
    other = next(one for one in ADDRESSES if one != name)
    with environment_of({f"{name}_FILE": str(file)}):
        read = {one.alias: getattr(settings(), key) for key, one in Settings.model_fields.items()}
        assert read[name].get_secret_value() == "redis://:p%23w@h:6379/0"
        assert read[other].get_secret_value().startswith("redis://127.0.0.1:6379/")
    with environment_of({f"{name}_FILE": str(file), name: "redis://other:6379/0"}):
        assert "redis://other:6379/0" in (
            settings().broker_url.get_secret_value(),
            settings().result_backend.get_secret_value(),
        )


def test_an_address_may_have_been_written_by_an_editor_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_bytes(b"\xef\xbb\xbfredis://host:6379/0\r\n")
    with environment_of({"FARM_TASKS_BROKER_URL_FILE": str(file)}):
        assert settings().broker_url.get_secret_value() == "redis://host:6379/0"


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_file_without_an_address_is_named_and_not_told(name: str, tmp_path: Path) -> None:
    file = tmp_path / "address"
    with (
        environment_of({f"{name}_FILE": str(file)}),
        pytest.raises(NotConfigured, match=f"{name}_FILE .*address: No such file"),
    ):
        settings()
    file.write_text("sekret")
    with (
        environment_of({f"{name}_FILE": str(file)}),
        pytest.raises(NotConfigured, match=f"{name}_FILE .*address: not an address") as caught,
    ):
        settings()
    assert "sekret" not in str(caught.value)


@pytest.mark.parametrize("days", ["inf", "nan", "0", "-1", "0.000001", "1e12", "week"])
def test_days_that_redis_cannot_keep_are_refused(days: str) -> None:
    with (
        environment_of({"FARM_TASKS_RESULT_DAYS": days}),
        pytest.raises(NotConfigured, match="FARM_TASKS_RESULT_DAYS"),
    ):
        settings()


@pytest.mark.parametrize("name", ["FARM_TASKS_READ_ROOTS", "FARM_TASKS_WRITE_ROOTS"])
def test_roots_are_absolute(name: str) -> None:
    with (
        environment_of({name: "/projects:render"}),
        pytest.raises(NotConfigured, match="render is not an absolute path"),
    ):
        settings()


@pytest.mark.parametrize("name", ["SCRATCH", "SPOOL", "PATH_MAP", "FONT"])
def test_other_paths_are_absolute_too(name: str) -> None:
    with (
        environment_of({f"FARM_TASKS_{name}": "here/it"}),
        pytest.raises(NotConfigured, match=f"FARM_TASKS_{name}: here/it is not an absolute path"),
    ):
        settings()


@pytest.mark.parametrize(
    "value", ["http://user:sekret@kitsu", "https://sekret@kitsu/api", "user:sekret@kitsu"]
)
def test_a_password_in_the_address_of_kitsu_is_refused_without_telling_it(value: str) -> None:
    with environment_of({"KITSU_HOST": value}), pytest.raises(NotConfigured) as caught:
        settings()
    assert "KITSU_HOST: a name or password in the address" in str(caught.value)
    assert "sekret" not in str(caught.value)


def test_another_programs_variables_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with environment_of({}):
        ours = settings()
    for name in ("RATE", "LOGIN", "PASSWORD", "FONT", "SPOOL_FOLDER", "BROKER_URL"):
        monkeypatch.setenv(name, "theirs")
    with environment_of({}):
        assert settings() == ours


def test_a_setting_may_have_two_names_of_which_the_first_counts() -> None:
    with environment_of({"KITSU_SERVER": "http://one", "KITSU_PWD": "sekret"}):
        assert settings().kitsu_host == "http://one"
        assert settings().password is not None
        assert "sekret" not in repr(settings())
    with environment_of({"KITSU_SERVER": "http://one", "KITSU_HOST": "http://two"}):
        assert settings().kitsu_host == "http://two"
