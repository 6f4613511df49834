"""Publishing. See :mod:`farm_tasks.kitsu.operations.publishing`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from farm_tasks import arguments
from farm_tasks.errors import InvalidArgument
from farm_tasks.frame_rate import frame_rate
from farm_tasks.queues import NORMAL, Priority
from farm_tasks.revision import revision_of
from farm_tasks.submit.sending import Entity, portable, send
from farm_tasks.submit.submission import Submission
from farm_tasks.thumbnail_frame import check_thumbnail


def publish(
    task: Entity,
    previews: str | os.PathLike[str] | list[str] | None = None,
    task_status: Entity | None = None,
    comment: str = "",
    person: Entity | None = None,
    attachments: list[str] | None = None,
    revision: int | str = "auto",
    thumbnail: int | str | None = None,
    playlist: Entity | None = None,
    wait_until_ready: bool = True,
    normalize_movie: bool | None = None,
    frames: str | None = None,
    frame_range: str | None = None,
    fps: str | float | None = None,
    missing_frames: Literal["fail", "hold", "warn"] = "fail",
    color_config: str | None = None,
    color_space: str | None = None,
    display: str | None = None,
    view: str | None = None,
    burn_in: list[Literal["shot", "frame", "artist", "date"]] | None = None,
    slate: bool = False,
    logo: str | None = None,
    silent_audio: bool = False,
    movie_path: str | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Publish files, or the movie of rendered frames, on a task.

    Args:
        task: A task's id, or ``project/[episode/]sequence/shot/task_type``, or
            ``project/asset_type/asset/task_type``.
        previews: Movies, pictures or other files; all go under one revision.
        task_status: By short name (``wfa``), name or id. None keeps the present one.
        comment: Its text.
        person: In whose name: id, email, full name or desktop login.
        attachments: Files for the comment.
        revision: ``auto``, a number, or ``from-name`` (3 of ``comp_v003.mov``).
        thumbnail: The frame that stands for the shot: ``first``, ``middle``, ``last`` or a number.
        playlist: To add the preview to, by id or name.
        wait_until_ready: End when Kitsu has processed the previews, and fail if it cannot.
        normalize_movie: Let Kitsu transcode movies. None: given ones, and not one made of frames.
        frames: ``/projects/beauty.####.exr``: made into a movie, which is the first preview.
        frame_range: ``1001-1100``. None: what is on disk.
        fps: ``24``, ``24000/1001``.
        missing_frames: What to do about missing or broken frames: ``fail``, ``hold`` the last good
            one, or ``warn`` in the picture.
        color_config: An OCIO config. None: the worker's $OCIO, else OCIO's built-in ACES config.
        color_space: Of the frames. None: as the config has it for such files.
        display: The display to make the movie for. None: the config's default.
        view: Its view. None: the config's default.
        burn_in: Of ``shot``, ``frame``, ``artist``, ``date``.
        slate: A frame in front that says what it is.
        logo: A picture for the corner.
        silent_audio: Add a silent audio track.
        movie_path: Keep the movie there.
        key: See :func:`farm_tasks.submit.sending.send`, as for what follows.
        priority: ``high``, ``normal`` or ``low``.
        farm_job: The farm job that this belongs to.

    Raises:
        InvalidArgument: an argument can never work, as far as can be told without Kitsu and the
            files.
        BrokerUnavailable: Redis cannot be reached; nothing was submitted.
    """
    given: dict[str, Any] = {
        "task": task,
        "previews": previews,
        "task_status": task_status,
        "comment": comment or None,
        "person": person,
        "attachments": attachments,
        "revision": revision,
        "thumbnail": thumbnail,
        "playlist": playlist,
        "wait_until_ready": wait_until_ready,
        "normalize_movie": normalize_movie,
        "frames": frames,
        "frame_range": frame_range,
        "fps": None if fps is None else str(fps),
        "missing_frames": missing_frames if frames else None,
        "color_config": color_config,
        "color_space": color_space,
        "display": display,
        "view": view,
        "burn_in": list(burn_in) if isinstance(burn_in, tuple) else burn_in,
        "slate": slate or None,
        "logo": logo,
        "silent_audio": silent_audio or None,
        "movie_path": movie_path,
    }
    # Short in the record, in Flower and on the wire: what was not said is left out.
    said = {name: value for name, value in given.items() if value is not None}
    check(said)
    return send("publish", key=key, priority=priority, farm_job=farm_job, **said)


def check(given: Mapping[str, Any]) -> None:
    """See that this can be published, as far as can be told without Kitsu and the files.

    Args:
        given: Arguments of :func:`publish`, by name; without those that are None.

    Raises:
        InvalidArgument: it cannot; the message names the argument.
        NotConfigured: the path map cannot be used.
    """
    frames, previews = given.get("frames"), given.get("previews")
    if not previews and not frames:
        raise InvalidArgument("There is nothing to publish: give a file, or frames.")
    if frames:
        if not given.get("fps"):
            raise InvalidArgument("fps: say how many frames a second has, such as 24000/1001.")
        frame_rate(str(given["fps"]))
    made = portable("publish", given)
    arguments.check(publish, (), made)
    # A movie that is made of frames is the first preview.
    first = made["frames"] if frames else made["previews"][0]
    revision_of(made.get("revision", "auto"), first)
    check_thumbnail(made.get("thumbnail"))
