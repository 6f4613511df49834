from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from farm_tasks.sandbox.process import start_time
from tests.support.waiting import wait_until

# What Sandbox does in a with block, with one small process in place of its servers.
PROGRAM = """
import sys, time
from pathlib import Path
from farm_tasks.sandbox.guard import Guard
from farm_tasks.sandbox.roster import Roster
home = Path(sys.argv[1])
(home / "sandbox.lock").touch()
guard = Guard(home, remove=True)
roster = Roster(home / "processes.json", home / "logs")
roster.start("server", ["/bin/sleep", "600"], cwd=home, env={})
if sys.argv[2] == "dismiss":
    roster.stop()
    guard.dismiss()
    raise SystemExit
time.sleep(600)
"""


def run(home: Path, then: str) -> subprocess.Popen[bytes]:
    (home / "logs").mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(home), then], env=environment)


def test_what_a_killed_python_leaves_is_ended_and_removed(tmp_path: Path) -> None:
    home = tmp_path / "box"
    with run(home, "wait") as python:
        processes = home / "processes.json"
        wait_until(processes.exists, 20)
        [server] = json.loads(processes.read_text())
        python.send_signal(signal.SIGKILL)

    wait_until(lambda: start_time(server["pid"]) != server["start_time"], 20)
    wait_until(lambda: not home.exists(), 20)


def test_a_dismissed_guard_leaves_all_in_place(tmp_path: Path) -> None:
    home = tmp_path / "box"
    with run(home, "dismiss") as python:
        assert python.wait(20) == 0

    assert (home / "logs" / "server.log").exists()
