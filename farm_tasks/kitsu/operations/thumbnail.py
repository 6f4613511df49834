"""The picture that stands for a shot or an asset: one frame of its newest movie."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.errors import InvalidArgument
from farm_tasks.kitsu.calls import calling

KITSUS_RATE = Fraction(25)
"""Frames per second where a project says none (zou 1.0.97, get_preview_file_fps)."""


def set_thumbnail(
    preview: str,
    task: Mapping[str, Any],
    frame: int | str | None,
    movie: Mapping[str, Any] | None,
    client: KitsuClient | None,
) -> None:
    """Make a preview the one that stands for its shot, showing one of its frames.

    Kitsu extracts the frame in a job of its own, some time after this has returned.

    Args:
        preview: The id of a preview that is ready.
        task: Its task, with ``project_id`` and ``entity_id``.
        frame: Which, as :func:`farm_tasks.thumbnail_frame.check_thumbnail` has it; None of a
            picture.
        movie: ``frames`` and ``fps`` of the movie where they are known; else its length is what
            Kitsu says, in frames of its own rate. A frame beyond its end is its last one.
        client: As everywhere.

    Raises:
        FarmTasksError: whatever went wrong.
    """
    with calling(client) as kitsu:
        number = None
        if frame is not None:
            rate = _rate(task, kitsu)
            fps = Fraction(movie["fps"]) if movie else rate
            count = movie["frames"] if movie else _count(preview, rate, kitsu)
            number = kitsus_number(min(chosen(frame, count), count), fps, rate)
        gazu.task.set_main_preview(preview, frame_number=number, client=kitsu)


def kitsus_number(frame: int, fps: Fraction, rate: Fraction) -> int:
    """What Kitsu calls a frame.

    zou shows what is at ``(number - 1) / rate`` seconds, and its rate is the project's, which need
    not be the movie's; ffmpeg takes the first frame at that time or after it.

    Args:
        frame: From 1, in the movie.
        fps: The movie's rate.
        rate: Kitsu's.
    """
    return int((frame - 1) / fps * rate) + 1


def check_count(frame: int | str | None, count: int) -> None:
    """See that a movie of ``count`` frames has this one.

    Raises:
        InvalidArgument: it has not.
    """
    if frame is not None and chosen(frame, count) > count:
        raise InvalidArgument(f"thumbnail: the movie has {count} frames, and not {frame}.")


def chosen(frame: int | str, count: int) -> int:
    """The number of a frame of a movie of ``count`` frames; one by its number may be beyond it."""
    return {"first": 1, "middle": (count + 1) // 2, "last": count}.get(str(frame)) or int(frame)


def _count(preview: str, rate: Fraction, kitsu: KitsuClient) -> int:
    found = gazu.files.get_preview_file(preview, client=kitsu)
    return max(1, round(Fraction(str(found.get("duration") or 0)) * rate))


def _rate(task: Mapping[str, Any], kitsu: KitsuClient) -> Fraction:
    """The shot's own rate, else the project's (zou 1.0.97, get_preview_file_fps)."""
    entity = gazu.entity.get_entity(task["entity_id"], client=kitsu)
    project = gazu.project.get_project(task["project_id"], client=kitsu)
    for given in ((entity.get("data") or {}).get("fps"), project.get("fps")):
        try:
            rate = Fraction(str(given).replace(",", "."))
        except (ValueError, ZeroDivisionError):
            continue
        if rate > 0:
            return rate
    return KITSUS_RATE
