"""The movie of a submission's frames, made in the worker's scratch folder."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_tasks.confinement import current
from farm_tasks.errors import BadFrames, FileMissing, InvalidArgument, NotConfigured
from farm_tasks.settings import settings
from farm_tasks.transfer.partial_file import PartialFile
from farm_tasks.transfer.progress import ProgressCallback, announce, check
from farm_tasks.transfer.progress import frames as count_frames
from farm_tasks.worker import scratch

if TYPE_CHECKING:
    from farm_tasks.confinement import Confinement
    from farm_tasks.media import FrameSequence
    from farm_tasks.worker.task import TransferTask

_FACTS = "movie.json"
_PIECE = 1024 * 1024  # bytes


class FramesMovie:
    """Makes it when it is called: :class:`farm_tasks.kitsu.operations.movie.MovieMaker`.

    Args:
        task: The task that runs.
        frames: The pattern of the frames, as the message has it.
        movie_path: Where the movie is to be kept, or None.
        **options: The other arguments of ``publish`` that are about frames.

    Attributes:
        name: The pattern of the frames.
        about: That, and all options.
    """

    def __init__(
        self, task: TransferTask, frames: str, movie_path: str | None, **options: Any
    ) -> None:
        if not options.get("fps"):
            raise InvalidArgument("fps: say how many frames a second has, such as 24000/1001.")
        self.name = frames
        self.about = {"frames": frames, **options}
        self._pattern = task.source_pattern(frames)
        self._logo = None if options["logo"] is None else task.source(options["logo"], sent=False)
        self._known = task.known
        self._kept_as = None if movie_path is None else task.target(movie_path)
        self._options = options
        config = options["color_config"]
        self._color_config = None if config is None else task.local(config)
        self._id = task.request.id
        task.request.meter.file = frames

    def __call__(
        self, labels: Mapping[str, str], progress: ProgressCallback | None
    ) -> dict[str, Any]:
        """Make it, unless an earlier try has made it here.

        A movie that is ready is taken even if its frames are gone by now, or are rendered again
        and not whole: the comment that it goes with may have been posted.

        Raises:
            NotConfigured: this worker has no media extra, or no scratch folder.
            FarmTasksError: what :func:`farm_tasks.media.make_movie` raises.
        """
        # Here, because a worker without the extra moves all that is no frame.
        from farm_tasks.media import find_frames  # noqa: PLC0415

        confined = current()
        if confined is None:
            raise NotConfigured("Frames are made into a movie in a worker only.")
        folder = scratch.scratch_folder(self._id)
        confined.also_read(folder)
        path = folder / f"{_stem(self.name)}.mp4"
        here = {"font": str(settings().font), "threads": settings().media_threads}
        made_of = {**self.about, **here, "labels": dict(labels)}
        facts, versions = _made_before(folder, path, made_of)
        announce(progress, "looking at the frames")
        try:
            sequence = find_frames(
                self._pattern,
                self._options["frame_range"],
                self._options["missing_frames"],
                on_look=lambda _done, _total: check(progress),
            )
        except (FileMissing, BadFrames):
            if facts is None:
                raise
        else:
            # A frame may have been rendered again between two tries.
            found = [[one.number, one.header and one.header.version] for one in sequence.frames]
            found = json.loads(json.dumps(found))
            if facts is None or found != versions:
                (folder / _FACTS).unlink(missing_ok=True)
                announce(progress, "encoding")
                facts = self._make(sequence, path, labels, progress)
                noted = json.dumps({"made_of": made_of, "versions": found, "facts": facts})
                with contextlib.suppress(OSError):  # without it a later try makes the movie again
                    (folder / _FACTS).write_text(noted)
        if self._kept_as is not None:
            announce(progress, "keeping the movie")
            _keep(path, self._kept_as, confined, progress)
            facts = {**facts, "kept_as": self._known(self._kept_as)}
        return {**facts, "path": str(path)}

    def _make(
        self,
        sequence: FrameSequence,
        path: Path,
        labels: Mapping[str, str],
        progress: ProgressCallback | None,
    ) -> dict[str, Any]:
        from farm_tasks.media import Encoding, make_movie  # noqa: PLC0415

        options, font = self._options, settings().font
        encoding = Encoding(
            fps=options["fps"],
            color_config=self._color_config,
            color_space=options["color_space"],
            display=options["display"],
            view=options["view"],
            burn_in=tuple(options["burn_in"] or ()),
            slate=options["slate"],
            logo=self._logo,
            silent_audio=options["silent_audio"],
            threads=settings().media_threads,
            font=None if font is None else str(font),
        )

        def on_frame(done: int, total: int) -> None:
            count_frames(progress, done, total)

        made = make_movie(sequence, str(path), encoding, labels, on_frame, own_folder=True)
        return made.to_dict()


def _stem(pattern: str) -> str:
    """What the frames are called, without what numbers them."""
    name = re.split(r"[/\\]", pattern)[-1].rpartition(".")[0] or "movie"
    stem = re.sub(r"(%\d*d|#+|@+|\$F\d*)", "", name)
    return re.sub(r"[^\w.-]+", "_", stem).strip("._-")[:80] or "movie"


def _made_before(
    folder: Path, path: Path, made_of: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, Any]:
    """The facts of a movie that is ready, and the versions of its frames; None if there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads((folder / _FACTS).read_text())
        if (
            noted["made_of"] == json.loads(json.dumps(made_of))
            and path.stat().st_size == noted["facts"]["size"]
        ):
            return dict(noted["facts"]), noted["versions"]
    return None, None


def _keep(
    path: Path, kept_as: str, confined: Confinement, progress: ProgressCallback | None
) -> None:
    size = path.stat().st_size
    with (
        PartialFile(kept_as, confined.tag, confined.sweep) as partial,
        path.open("rb") as source,
    ):
        partial.check_room(size)
        with open(partial.path, "wb") as target:
            while piece := source.read(_PIECE):
                check(progress)
                target.write(piece)
        partial.commit(size)
