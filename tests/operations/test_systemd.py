"""The units: systemd takes them, they are as closed as the document says, and a worker runs so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import FileMissing
from farm_tasks.settings import Settings
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.installed import program
from tests.support.restricted import directives
from tests.support.worker import Worker
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.operations

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "worker_config" / "systemd").glob("*.service"))
WORKER = ROOT / "worker_config" / "systemd" / "farm-tasks-worker@.service"
OPERATIONS = ROOT / "docs" / "operations.md"


@pytest.fixture
def analyze() -> str:
    return program("systemd-analyze", "systemd")


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        yield crew


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(analyze: str, unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    # The one thing that is there only once it is installed.
    copy.write_text(unit.read_text().replace("/opt/farm-tasks/bin/farm-tasks", "/bin/true"))
    command = [analyze, "verify", "--recursive-errors=one", "--man=no", str(copy)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_exposure_is_the_one_in_the_document(analyze: str, unit: Path) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Overall exposure level for \S+: (\S+)", done.stdout)
    assert found, done.stdout
    row = re.search(rf"\| `{re.escape(unit.name)}` \| (\S+) \|", OPERATIONS.read_text())
    assert row, f"{OPERATIONS} has no row for {unit.name}"
    assert row[1] == found[1]


def test_a_worker_is_killed_no_sooner_than_its_transfers_had_their_time() -> None:
    (seconds,) = directives(WORKER)["TimeoutStopSec"]
    assert int(seconds) >= Settings.model_fields["grace_seconds"].default + 40


def test_the_exporter_does_not_get_what_lets_a_worker_write() -> None:
    secrets = {
        unit.name: {one.rpartition(":")[2] for one in directives(unit)["LoadCredential"]}
        for unit in UNITS
    }
    assert len(secrets["farm-tasks-metrics.service"]) == 2
    others = secrets["farm-tasks-worker@.service"] | secrets["farm-tasks-flower.service"]
    assert not secrets["farm-tasks-metrics.service"] & others
    document = OPERATIONS.read_text()
    for path in set().union(*secrets.values()):
        assert f">{Path(path).name}\n" in document, "the steps make each of them"


_TRIES = """
import ctypes, json, mmap, os, socket
refused = []
for name, attempt in {
    "nice": lambda: os.nice(1),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "mount": lambda: 1 / (1 + ctypes.CDLL(None).mount(b"x", b"/mnt", b"tmpfs", 0, None)),
    "write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "internet": lambda: socket.socket(),
    "execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC),
}.items():
    try:
        attempt()
    except (OSError, ZeroDivisionError):
        refused.append(name)
print(json.dumps(refused))
"""


def test_the_restrictions_of_the_next_test_are_real(analyze: str) -> None:
    command = [sys.executable, "-m", "tests.support.restricted", str(WORKER)]
    done = subprocess.run(
        [*command, sys.executable, "-c", _TRIES], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == ["nice", "netlink", "mount", "write and execute"]


_MAKES_A_MOVIE = """
import sys
from PIL import Image
from farm_tasks.media import Encoding, find_frames, make_movie
for number in (1, 2, 3):
    Image.new("RGB", (64, 36), (number, 80, 160)).save(f"{sys.argv[1]}/a.{number:04}.png")
frames = find_frames(f"{sys.argv[1]}/a.####.png", missing="fail")
encoding = Encoding(fps="24", burn_in=("frame",))
print(make_movie(frames, f"{sys.argv[1]}/a.mp4", encoding, {}, None).to_dict()["frames"])
"""


def test_a_movie_is_made_under_the_restrictions_of_the_unit(analyze: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.restricted", str(WORKER)]
    command += [sys.executable, "-c", _MAKES_A_MOVIE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_runs_under_the_restrictions_of_its_unit(
    crew: Crew, analyze: str, pool: str
) -> None:
    worker = Worker(crew.folder / "w", crew._environment, pool)
    worker._command = [
        *(sys.executable, "-m", "tests.support.restricted", str(WORKER)), *worker._command
    ]  # fmt: skip
    crew.workers.append(worker)
    worker.start()
    crew.kitsu.serve(20 * MB)
    up = crew.upload(20 * MB)
    down = submit.download_working_file(WORKING_FILE, str(crew.folder / "down"))
    missing = submit.upload_working_file(WORKING_FILE, str(crew.folder / "none.ma"))
    assert up.wait(timeout=20)["id"] == WORKING_FILE
    assert down.wait(timeout=20)["size"] == 20 * MB
    with pytest.raises(FileMissing):
        missing.wait(timeout=20)
    assert worker.process is not None
    worker.process.terminate()
    # As long as the unit waits after the grace period: now and then billiard waits half a minute
    # for a result that has been read.
    assert worker.process.wait(40) == 0
    assert "not permitted" not in worker.log.read_text()
