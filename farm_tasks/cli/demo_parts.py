"""What the demo is made of: a worker, a movie, and the tidying up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import farm_tasks
from farm_tasks.cli.sandbox import worker_roster
from farm_tasks.errors import BrokenMovie, PermanentFailure, StillProcessing, TemporaryFailure

if TYPE_CHECKING:
    from farm_tasks.cli.steps import Steps
    from farm_tasks.sandbox import Sandbox, SandboxInfo

WORKER_SECONDS = 40.0
READY_SECONDS = 180.0
MOVIE_SECONDS = 5

_VARIABLES = ("KITSU_", "FARM_TASKS_")


class Leftovers:
    """Ends what the demo started, and only that: a sandbox that ran before goes on running.

    Attributes:
        sandbox_ran: Whether it did.
        worker_ran: Whether a worker that an earlier demo kept did.
        kept: Whether everything is left as it is.
    """

    def __init__(self, box: Sandbox, steps: Steps) -> None:
        from farm_tasks.sandbox.guard import Guard  # noqa: PLC0415

        self._box = box
        self._steps = steps
        self._worker = worker_roster(box)
        self.sandbox_ran = any(row.alive for row in box.status())
        self.worker_ran = any(one.is_alive() for one in self._worker.processes())
        # Ends the sandbox even where this process is killed; it ends no worker, but that one is
        # remembered and ended by the next demo.
        self._guard = None if self.sandbox_ran else Guard(box.home, remove=False)
        self.kept = False

    def keep(self) -> None:
        """Leave everything as it is."""
        self.kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C
        try:
            if not self.kept:
                with self._steps.step("End", "ending what was started") as step:
                    self._worker.stop()
                    if not self.sandbox_ran:
                        self._box.down()
                    step.outcome = "ended what was started"
        finally:
            if self._guard is not None:
                self._guard.dismiss()
            signal.signal(signal.SIGINT, before)


class DemoWorker:
    """A worker with its log in the sandbox's folder; ``sandbox down`` ends it too.

    Args:
        box: Where it is remembered.
        info: What it works for.
    """

    def __init__(self, box: Sandbox, info: SandboxInfo) -> None:
        self._roster = worker_roster(box)
        self._info = info
        self.log = self._roster.log("worker")

    def start(self, kitsu_host: str) -> None:
        """Start it anew, and wait until it listens.

        Args:
            kitsu_host: Where it is to find Kitsu.

        Raises:
            PermanentFailure: it ended at once.
            TemporaryFailure: it does not answer.
        """
        self._roster.stop()
        name = f"demo-{os.getpid()}@localhost"
        command = [sys.executable, "-m", "farm_tasks.cli", "worker", "--concurrency", "2"]
        process = self._roster.start(
            "worker",
            [*command, "--hostname", name],
            cwd=self._info.home,
            env={**os.environ, "KITSU_HOST": kitsu_host, "PYTHONPATH": _python_path()},
        )
        from farm_tasks.submit.connection import sender  # noqa: PLC0415

        deadline = time.monotonic() + WORKER_SECONDS
        while not sender().control.ping(destination=[name], timeout=0.5):
            if not process.is_alive():
                raise PermanentFailure(f"The worker ended at once: see {self.log}")
            if time.monotonic() > deadline:
                raise TemporaryFailure(f"The worker does not answer: see {self.log}")


def point_here(info: SandboxInfo) -> None:
    """Make this process, and what it starts, use the sandbox and nothing else."""
    for name in list(os.environ):
        if name.startswith(_VARIABLES) and name != "FARM_TASKS_DEBUG":
            del os.environ[name]
    os.environ.update(info.environment())
    # A proxy knows nothing of our localhost.
    os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")


def make_movie(ffmpeg: Path, path: Path, size: int) -> None:
    """Render a journey into the Mandelbrot set, with a frame counter.

    Args:
        ffmpeg: With libx264.
        path: The file to write.
        size: About how large, in MB: the encoder fills a constant bit rate.

    Raises:
        PermanentFailure: ffmpeg failed.
    """
    picture = (
        "mandelbrot=size=480x270:rate=24:start_scale=2.5:end_scale=0.0002:end_pts=200,"
        "scale=1920:1080[zoom];testsrc2=size=480x270:rate=24[counter];"
        "[zoom][counter]overlay=W-w-48:H-h-48"
    )
    rate = f"{size * 8 * 1000 // MOVIE_SECONDS}k"
    command = [
        *(str(ffmpeg), "-nostdin", "-y", "-hide_banner", "-loglevel", "error"),
        *("-f", "lavfi", "-i", picture, "-t", str(MOVIE_SECONDS)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
        *("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate),
        *("-x264-params", "nal-hrd=cbr", "-movflags", "+faststart", str(path)),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise PermanentFailure(f"ffmpeg made no movie: {done.stderr.strip()[-500:]}")


def wait_until_ready(preview_file_id: str) -> dict[str, Any]:
    """Poll Kitsu until it has processed a preview.

    Raises:
        BrokenMovie: it could not.
        StillProcessing: it takes too long.
    """
    import gazu  # noqa: PLC0415 (only here)

    from farm_tasks.kitsu.calls import calling  # noqa: PLC0415

    deadline = time.monotonic() + READY_SECONDS
    with calling(None) as kitsu:
        while True:
            preview: dict[str, Any] = gazu.files.get_preview_file(preview_file_id, client=kitsu)
            if preview["status"] == "ready":
                return preview
            if preview["status"] == "broken":
                raise BrokenMovie("Kitsu could not transcode the movie: see its log, jobs.log")
            if time.monotonic() > deadline:
                raise StillProcessing(f"Kitsu has not processed it after {READY_SECONDS:.0f} s")
            time.sleep(0.3)


def _python_path() -> str:
    """The worker runs elsewhere, and this checkout may not be installed."""
    here = str(Path(farm_tasks.__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), here]))
