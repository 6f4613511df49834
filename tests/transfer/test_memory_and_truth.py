"""What only a process of its own can show: memory that stays flat, and figures that are true."""

# ruff: noqa: SIM117 (what must not raise stands outside of what must)

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks.errors import Stalled
from farm_tasks.transfer.piece_size import MOST_BYTES
from farm_tasks.transfer.progress import Meter
from farm_tasks.transfer.session import Limits, TransferSession
from tests.servers import (
    Exchange,
    LoopbackServer,
    SwallowingProcess,
    serving_process,
    swallowing_process,
)
from tests.support.discarding_kitsu import discarding_kitsu
from tests.transfer.conftest import OpenSession

pytestmark = pytest.mark.alone

MIB = 1024 * 1024
SIZE = 2048 * MIB
GROWTH = 32 * MIB


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder where 2 GiB of nothing are read at once, if there is one."""
    in_memory = "/dev/shm" if os.path.isdir("/dev/shm") else tmp_path
    with tempfile.TemporaryDirectory(dir=in_memory) as folder:
        yield Path(folder)


def peak_growth(transfer: str, *arguments: str) -> int:
    """Bytes by which the peak memory of a process grew through ``transfer``."""
    script = """
        import re, sys, threading
        from pathlib import Path
        from farm_tasks.transfer.session import TransferSession

        def peak():
            # Not ru_maxrss: a child inherits its parent's, and pytest is large.
            status = Path("/proc/self/status").read_text()
            return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024

        url, *rest = sys.argv[1:]
        figures = []
        session = TransferSession(lambda *figure: figures.append(figure))
        before = peak()
    """
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(script) + textwrap.dedent(transfer) + "\nprint(peak() - before)\n",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_an_upload_of_2_gib_takes_no_more_memory_than_a_small_one(memory_folder: Path) -> None:
    movie = memory_folder / "large.mov"
    movie.touch()
    os.truncate(movie, SIZE)
    with swallowing_process() as server:
        growth = peak_growth(
            """
            with open(rest[0], "rb") as file:
                assert session.post(url, files={"file": file}).status_code == 201
            """,
            server.url,
            str(movie),
        )
        assert server.body_read > SIZE
    assert growth <= GROWTH


def test_a_download_of_2_gib_takes_no_more_memory_than_a_small_one() -> None:
    with serving_process(SIZE) as url:
        growth = peak_growth(
            """
            with session.get(url, stream=True) as answer:
                assert sum(map(len, answer.iter_content(8192))) == int(rest[0])
            """,
            url,
            str(SIZE),
        )
    assert growth <= GROWTH


def test_the_measure_of_memory_would_notice() -> None:
    assert peak_growth("x = bytearray(64 << 20)\nx[::4096] = b'1' * len(x[::4096])", "") > GROWTH


def send(server: SwallowingProcess, path: Path) -> list[tuple[int, int]]:
    """Upload ``path``; at every callback, what it said and what the server had read by then."""
    samples: list[tuple[int, int]] = []
    meter = Meter()

    def sample(bytes_read: int, total: int) -> None:
        meter(bytes_read, total)
        samples.append((bytes_read, server.body_read))

    with TransferSession(sample) as session, path.open("rb") as file:
        session.post(server.url, files={"file": file})
    assert meter.read().bytes_read == path.stat().st_size
    return samples


def test_the_figure_is_never_more_than_1_mib_ahead_of_what_the_server_has_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, 96 * MIB)
    with swallowing_process(rate=50e6) as server:
        samples = send(server, path)
    assert max(said - was_read for said, was_read in samples) <= MIB
    assert max(was_read - said for said, was_read in samples) <= 4 * MIB, "nor far behind"
    assert len(samples) >= 96 * MIB // MOST_BYTES
    assert samples[-1][0] == 96 * MIB


def test_a_slow_line_is_seen_to_move(tmp_path: Path) -> None:
    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, 4 * MIB)
    with discarding_kitsu() as server:
        server.serve(0, rate=1e6)
        samples: list[tuple[int, int]] = []

        def sample(said: int, _total: int) -> None:
            samples.append((said, server.moved(0)))

        with TransferSession(sample) as session, path.open("rb") as file:
            session.post(server.file_url, files={"file": file})
    assert len({said for said, _ in samples}) >= 16, "as often as it is reported, and more"
    assert max(said - was_read for said, was_read in samples) <= MIB / 4


def test_with_a_server_that_reads_nothing_next_to_nothing_is_counted(
    open_session: OpenSession, tmp_path: Path
) -> None:
    """What the two kernels hold has left the socket, and is nowhere."""
    path = tmp_path / "plate.mov"
    path.touch()
    os.truncate(path, 64 * MIB)
    figures: list[int] = []
    session = open_session(lambda done, _: figures.append(done), Limits(connect_timeout=0.5))

    def read_nothing(exchange: Exchange) -> None:
        exchange.closing.wait()

    with LoopbackServer(read_nothing) as server, path.open("rb") as file:
        with pytest.raises(Stalled):
            session.post(server.url, files={"file": file})
    assert max(figures, default=0) <= 128 * 1024
