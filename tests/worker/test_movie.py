"""The movie of a submission's frames: made once, and kept where it was asked for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import BadFrames, Cancelled, FileMissing
from farm_tasks.settings import settings
from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.movie import FramesMovie
from tests.support.environment import environment_of
from tests.support.frames import exr_frames

OPTIONS: dict[str, Any] = {
    "frame_range": None, "fps": "24", "missing_frames": "fail", "color_config": None,
    "color_space": None, "display": None, "view": "Un-tone-mapped", "burn_in": None,
    "slate": False, "logo": None, "silent_audio": False,
}  # fmt: skip
TAG = "0123abcd"


class Heard(Meter):
    """Notes the stages, and may end in one."""

    def __init__(self, ends_at: str | None = None) -> None:
        super().__init__()
        self.stages: list[str] = []
        self._ends_at = ends_at

    def announce(self, stage: str) -> None:
        super().announce(stage)
        self.stages.append(stage)
        if stage == self._ends_at:
            self.stop(Cancelled("Cancelled."))


class Tries:
    """The tries of one submission on one machine.

    Attributes:
        frames: The pattern.
        kept_as: Where the movie is to be kept.
        heard: What the last try said.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames = exr_frames(folder / "frames", 1, 3, (64, 36))
        (folder / "out").mkdir()
        self.kept_as: Path | None = None
        self.heard = Heard()

    def __call__(self, ends_at: str | None = None, **options: Any) -> dict[str, Any]:
        """One try."""
        self.heard = Heard(ends_at)
        task: Any = SimpleNamespace(
            request=SimpleNamespace(id="one", meter=self.heard),
            known=str,
            source_pattern=str,
            target=str,
            local=str,
        )
        kept_as = None if self.kept_as is None else str(self.kept_as)
        movie = FramesMovie(task, self.frames, kept_as, **{**OPTIONS, **options})
        with Confinement([self.folder / "frames"], [self.folder / "out"], TAG, sweep=True):
            return movie({"shot": "SH010"}, self.heard)

    def frame(self, number: int) -> Path:
        return Path(self.frames.replace("####", f"{number:04}"))


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Tries]:
    with environment_of({"FARM_TASKS_SCRATCH": str(tmp_path / "scratch")}):
        yield Tries(tmp_path)


def test_a_movie_is_made_once_and_again_when_a_frame_was_rendered_again(attempt: Tries) -> None:
    first = attempt()
    assert attempt.heard.stages == ["looking at the frames", "encoding"]
    assert attempt() == first
    assert attempt.heard.stages == ["looking at the frames"]
    os.utime(attempt.frame(2), (1, 1))
    attempt()
    assert attempt.heard.stages[-1] == "encoding"


@pytest.mark.parametrize("fate", ["gone", "one gone", "being written"])
def test_a_movie_that_is_ready_is_taken_when_its_frames_are_not_there_any_more(
    fate: str, attempt: Tries
) -> None:
    made = attempt()
    if fate == "being written":
        os.truncate(attempt.frame(2), 100)
    for number in {"gone": (1, 2, 3), "one gone": (2,)}.get(fate, ()):
        attempt.frame(number).unlink()
    again = attempt()
    assert again == made
    assert Path(again["path"]).stat().st_size == made["size"]


def test_a_movie_of_something_else_is_not_taken_in_place_of_frames_that_are_gone(
    attempt: Tries,
) -> None:
    attempt()
    attempt.frame(2).unlink()
    with pytest.raises(BadFrames):
        attempt(fps="25")
    for number in (1, 3):
        attempt.frame(number).unlink()
    with pytest.raises(FileMissing):
        attempt(burn_in=["frame"])


def test_another_number_of_threads_makes_another_movie(attempt: Tries) -> None:
    attempt()
    with environment_of({"FARM_TASKS_MEDIA_THREADS": "1", "FARM_TASKS_SCRATCH": str(
        settings().scratch_folder
    )}):  # fmt: skip
        attempt()
    assert attempt.heard.stages[-1] == "encoding"


def test_a_disk_without_room_for_the_note_costs_nothing_but_the_next_try(
    attempt: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        assert attempt()["frames"] == 3
    assert attempt()["frames"] == 3
    assert attempt.heard.stages[-1] == "encoding"


def test_what_a_killed_attempt_left_beside_the_kept_movie_is_swept(attempt: Tries) -> None:
    out = attempt.folder / "out"
    attempt.kept_as = out / "kept.mp4"
    (out / f".kept.mp4.{TAG}.89abcdef.part").write_bytes(b"half of it")
    made = attempt()
    assert made["kept_as"] == str(out / "kept.mp4")
    assert os.listdir(out) == ["kept.mp4"]
    assert (out / "kept.mp4").read_bytes() == Path(made["path"]).read_bytes()


def test_a_cancel_is_heard_while_the_movie_is_copied(attempt: Tries) -> None:
    attempt.kept_as = attempt.folder / "out" / "kept.mp4"
    with pytest.raises(Cancelled):
        attempt(ends_at="keeping the movie")
    assert os.listdir(attempt.folder / "out") == []
