"""Publishing. See :mod:`farm_tasks.kitsu.operations.publishing`."""

from __future__ import annotations

from typing import Any

from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app
from farm_tasks.worker.movie import FramesMovie
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.publish")
def publish(
    self: TransferTask,
    task: str,
    previews: list[str] | None = None,
    task_status: str | None = None,
    comment: str = "",
    person: str | None = None,
    attachments: list[str] | None = None,
    revision: int | str = "auto",
    thumbnail: int | str | None = None,
    playlist: str | None = None,
    wait_until_ready: bool = True,
    normalize_movie: bool | None = None,
    frames: str | None = None,
    frame_range: str | None = None,
    fps: str | None = None,
    missing_frames: str = "fail",
    color_config: str | None = None,
    color_space: str | None = None,
    display: str | None = None,
    view: str | None = None,
    burn_in: list[str] | None = None,
    slate: bool = False,
    logo: str | None = None,
    silent_audio: bool = False,
    movie_path: str | None = None,
) -> dict[str, Any]:
    """Publish files, or the movie of frames, on a task. Returns what is in Kitsu then."""
    movie = None
    if frames is not None:
        movie = FramesMovie(
            self,
            frames=frames,
            frame_range=frame_range,
            fps=fps,
            missing_frames=missing_frames,
            color_config=color_config,
            color_space=color_space,
            display=display,
            view=view,
            burn_in=burn_in,
            slate=slate,
            logo=logo,
            silent_audio=silent_audio,
            movie_path=movie_path,
        )
    # The one that people know it by comes last.
    attached, files = self.sources(attachments), self.sources(previews)
    published: dict[str, Any] = self.transfer(
        operations.publish,
        task,
        previews=files,
        task_status=task_status,
        comment=comment,
        person=person,
        attachments=attached,
        revision=revision,
        thumbnail=thumbnail,
        playlist=playlist,
        wait_until_ready=wait_until_ready,
        normalize_movie=normalize_movie,
        movie=movie,
        ledger=self.ledger,
    )
    return published
