"""Small processes of our own stand in for the servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm_tasks.sandbox import SandboxError
from farm_tasks.sandbox.process import (
    LOCALHOST,
    Process,
    start_on_free_port,
    start_time,
    stop,
    wait_ready,
)
from farm_tasks.sandbox.roster import Roster
from tests.support.waiting import wait_until

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def roster(tmp_path: Path) -> Iterator[Roster]:
    roster = Roster(tmp_path / "processes.json", tmp_path)
    yield roster
    roster.stop()


def start(roster: Roster, program: str, *arguments: str, name: str = "server") -> Process:
    command = [sys.executable, "-I", "-c", program, *arguments]
    return roster.start(name, command, cwd=Path("/"), env=os.environ)


def pid_in(file: Path) -> int:
    return int(wait_until(lambda: file.exists() and file.read_text(), 10))


def test_another_roster_over_the_same_file_ends_it(roster: Roster, tmp_path: Path) -> None:
    started = start(roster, SLEEP)

    Roster(tmp_path / "processes.json", tmp_path).stop()

    assert not started.is_alive()
    assert roster.processes() == []


def test_it_is_in_a_session_of_its_own(roster: Roster) -> None:
    started = start(roster, SLEEP)

    assert os.getsid(started.pid) == started.pid != os.getsid(0)


def test_a_child_in_another_session_ends_with_it(roster: Roster, tmp_path: Path) -> None:
    child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        "import subprocess, sys; subprocess.run("
        "[sys.executable, '-I', '-c', *sys.argv[1:]], start_new_session=True)"
    )
    started = start(roster, program, child, str(tmp_path / "pid"))
    pid = pid_in(tmp_path / "pid")

    stop(started, grace=0.2)

    wait_until(lambda: start_time(pid) == -1, 10)


def test_a_child_that_outlived_it_ends_too(roster: Roster, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n"
        "    open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    started = start(roster, program, str(tmp_path / "pid"))
    orphan = pid_in(tmp_path / "pid")
    os.kill(started.pid, signal.SIGKILL)
    wait_until(lambda: not started.is_alive(), 10)

    roster.stop()

    wait_until(lambda: start_time(orphan) == -1, 10)


def test_a_child_that_it_starts_when_it_is_told_to_end_ends_too(
    roster: Roster, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys, time\n"
        "def end(*_):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        time.sleep(600)\n"
        "    open(sys.argv[2], 'w').write(str(child))\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    started = start(roster, program, str(tmp_path / "pid"), str(tmp_path / "child"))
    pid_in(tmp_path / "pid")

    stop(started)

    assert not started.is_alive()
    child = pid_in(tmp_path / "child")
    wait_until(lambda: start_time(child) == -1, 10)


def test_a_stranger_with_its_pid_is_left_alone(roster: Roster) -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", SLEEP], start_new_session=True) as stranger:
        stop(replace(start(roster, SLEEP), pid=stranger.pid, start_time=1))

        assert stranger.poll() is None
        stranger.kill()


def test_one_that_ignores_the_gentle_way_is_killed(roster: Roster, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    )
    started = start(roster, program, str(tmp_path / "pid"))
    pid_in(tmp_path / "pid")

    stop(started, grace=0.2)

    assert not started.is_alive()


def test_one_that_dies_is_named_with_the_end_of_its_log(roster: Roster) -> None:
    started = start(roster, "raise SystemExit('no room on the shelf')", name="librarian")

    with pytest.raises(SandboxError, match=r"(?s)librarian ended .*no room on the shelf"):
        wait_ready(started, lambda _: False, seconds=10)


def test_one_that_is_never_ready_is_named(roster: Roster) -> None:
    started = start(roster, SLEEP, name="sleeper")

    with pytest.raises(SandboxError, match="sleeper was not ready within 0 s"):
        wait_ready(started, lambda _: False, seconds=0.05)


def test_a_missing_program_is_named(roster: Roster) -> None:
    with pytest.raises(SandboxError, match="server cannot be started"):
        roster.start("server", ["/nowhere/server"], cwd=Path("/"), env={})


def test_a_port_that_another_took_first_is_tried_again(roster: Roster) -> None:
    thieves: list[socket.socket] = []
    program = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); "
        "time.sleep(600)"
    )

    def launch(port: int) -> Process:
        if not thieves:
            thieves.append(socket.create_server((LOCALHOST, port)))
        return replace(start(roster, program, str(port)), port=port)

    def ready(process: Process) -> bool:
        with socket.socket() as client:
            mine = process.port != thieves[0].getsockname()[1]
            return mine and client.connect_ex((LOCALHOST, process.port or 0)) == 0

    try:
        assert start_on_free_port(launch, ready, seconds=10).is_alive()
    finally:
        thieves[0].close()
