from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gazu
import pytest
import redis
import requests

from farm_tasks.sandbox import Sandbox, SandboxError, SandboxInfo
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def second(sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that runs, or ran, beside the tests' own; with a project "Kept"."""
    box = Sandbox(tmp_path_factory.mktemp("second"))
    gazu.project.new_project("Kept", client=bot_of(box.up()))
    yield box
    box.down(remove=True)


def bot_of(info: SandboxInfo) -> Any:
    client = gazu.client.create_client(info.kitsu_host)
    gazu.client.set_tokens({"access_token": info.bot_token}, client=client)
    return client


def processes_of(home: Path) -> list[int]:
    """All processes that have a folder in their command, environment, or working folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                about = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                about += os.fsencode((entry / "cwd").readlink())
            except OSError:
                continue
            if os.fsencode(home) in about:
                found.append(int(entry.name))
    return found


def test_up_returns_at_once_what_runs_already(sandbox: SandboxInfo) -> None:
    steps: list[str] = []

    assert Sandbox(sandbox.home).up(steps.append) == sandbox
    assert steps == []


def test_a_with_block_leaves_running_what_it_found_running(sandbox: SandboxInfo) -> None:
    with Sandbox(sandbox.home) as info:
        assert info == sandbox

    assert Sandbox(sandbox.home).info() == sandbox


def test_every_process_is_shown(sandbox: SandboxInfo) -> None:
    rows = {row.name: row for row in Sandbox(sandbox.home).status()}

    assert set(rows) == {"postgres", "redis", "kitsu", "kitsu-events", "kitsu-jobs"}
    assert all(row.alive for row in rows.values())
    assert set(sandbox.logs) == set(rows)
    assert sandbox.kitsu_host.endswith(f":{rows['kitsu'].port}")


def test_everything_listens_on_localhost_alone(sandbox: SandboxInfo) -> None:
    ports = {row.port for row in Sandbox(sandbox.home).status() if row.port}
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _number, local, _remote, state, *_rest = line.split()
            address, _, port = local.partition(":")
            if state == "0A" and int(port, 16) in ports:
                listening.add((address, int(port, 16)))

    assert listening == {("0100007F", port) for port in ports}


def test_only_its_owner_reads_its_secrets(sandbox: SandboxInfo) -> None:
    for path in sandbox.home.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            # Who runs as root lets nobody pass through to Postgres.
            assert mode & 0o066 == 0
        elif path.name != "sandbox.lock":
            assert mode == 0o600, path


def test_redis_keeps_nothing_and_drops_nothing(sandbox: SandboxInfo) -> None:
    with redis.Redis.from_url(sandbox.broker_url, decode_responses=True) as client:
        settings = client.config_get()

    assert (settings["save"], settings["appendonly"]) == ("", "no")
    assert settings["maxmemory-policy"] == "noeviction"


def test_redis_asks_for_its_password(sandbox: SandboxInfo) -> None:
    address = sandbox.redis_url.partition("@")[2]

    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_kitsu_lives_behind_a_proxy_setting(
    sandbox: SandboxInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    Sandbox(sandbox.home).up()


def test_two_run_side_by_side(sandbox: SandboxInfo, second: Sandbox) -> None:
    ours, theirs = bot_of(sandbox), bot_of(second.up())

    gazu.project.new_project("Only here", client=ours)

    assert gazu.project.get_project_by_name("Only here", client=ours)
    assert gazu.project.get_project_by_name("Only here", client=theirs) is None


def test_down_ends_all_of_its_own_and_nothing_else(sandbox: SandboxInfo, second: Sandbox) -> None:
    before = second.up()
    assert len(processes_of(second.home)) >= 5

    second.down()

    assert processes_of(second.home) == []
    assert [row for row in second.status() if row.alive] == []
    with pytest.raises(requests.ConnectionError):
        requests.get(before.kitsu_host, timeout=5)
    with pytest.raises(SandboxError, match="not running"):
        second.info()
    assert Sandbox(sandbox.home).info() == sandbox


def test_its_data_is_there_when_it_comes_up_again_twice_at_once(second: Sandbox) -> None:
    second.down()
    ups: list[SandboxInfo] = []
    threads = [
        threading.Thread(target=lambda: ups.append(Sandbox(second.home).up())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert ups[0] == ups[1]
    assert gazu.project.get_project_by_name("Kept", client=bot_of(ups[0]))


def test_one_that_lost_a_process_is_made_whole(second: Sandbox) -> None:
    second.up()
    [jobs] = [row for row in second.status() if row.name == "kitsu-jobs"]
    os.kill(jobs.pid, signal.SIGKILL)
    wait_until(lambda: not all(row.alive for row in second.status()), 10)

    with pytest.raises(SandboxError, match="kitsu-jobs ended"):
        second.info()
    second.up()

    assert all(row.alive for row in second.status())


def test_a_server_that_does_not_start_is_named_and_nothing_is_left(second: Sandbox) -> None:
    second.down()
    settings = second.home / "postgres" / "data" / "postgresql.conf"
    settings.write_text("no_such_setting = 1\n")

    with pytest.raises(SandboxError, match=r"(?s)postgres ended .*no_such_setting"):
        second.up()

    wait_until(lambda: processes_of(second.home) == [], 10)  # what was told to end is ending
    assert second.status() == []


def test_data_of_another_version_is_not_touched(second: Sandbox) -> None:
    second.down()
    instance = second.home / "instance.json"
    values = json.loads(instance.read_text())
    instance.write_text(json.dumps(values | {"template": "kitsu-0.0.1"}))

    with pytest.raises(SandboxError, match="made by another version"):
        second.up()

    assert (second.home / "postgres" / "data").is_dir()


def test_removing_leaves_nothing(second: Sandbox) -> None:
    place = (second.home / "postgres").resolve()

    second.down(remove=True)

    assert not second.home.exists()
    assert not place.exists()


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "projects").mkdir()
    box = Sandbox(tmp_path)

    with pytest.raises(SandboxError, match="give the sandbox an empty folder"):
        box.up()
    box.down(remove=True)

    assert (tmp_path / "projects").is_dir()


def test_the_default_home_is_where_the_desktop_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FARM_TASKS_SANDBOX_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Sandbox().home == tmp_path / ".local" / "state" / "farm-tasks" / "sandbox"

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert Sandbox().home == tmp_path / "state" / "farm-tasks" / "sandbox"

    monkeypatch.setenv("FARM_TASKS_SANDBOX_HOME", str(tmp_path / "mine"))
    assert Sandbox().home == tmp_path / "mine"


def test_one_that_never_ran_is_not_running(tmp_path: Path) -> None:
    box = Sandbox(tmp_path / "box")

    assert box.status() == []
    box.down(remove=True)
    with pytest.raises(SandboxError, match="not running"):
        box.info()
