"""The last steps of ``publish``: previews that are ready, and where they are to be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.errors import BadResponse
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.checks import MOVIE_EXTENSIONS
from farm_tasks.kitsu.ledger import Ledger, Part
from farm_tasks.kitsu.operations.processing import ready
from farm_tasks.kitsu.operations.thumbnail import set_thumbnail
from farm_tasks.transfer.progress import ProgressCallback, announce


def show(
    ledger: Ledger,
    target: dict[str, Any],
    published: list[dict[str, Any]],
    wait_until_ready: bool,
    thumbnail: int | str | None,
    made: dict[str, Any] | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> None:
    """Wait for Kitsu, then put the first preview where it is to be seen.

    Args:
        ledger: Of the whole; the steps of each preview are in its part ``preview<index>``.
        target: ``task`` with ``id``, ``project_id`` and ``entity_id``; ``playlist``, an id or None.
        published: The previews: ``id``, ``extension``, ``size`` in bytes, ``normalized``. Their
            ``status`` is set.
        wait_until_ready: Wait in any case. Else only for a movie whose frame is wanted.
        thumbnail: As :func:`farm_tasks.thumbnail_frame.check_thumbnail` has it, or None.
        made: ``frames`` and ``fps`` of the first preview where it was made here, or None.
        client: As everywhere.
        progress: As everywhere.

    Raises:
        BrokenMovie: Kitsu could not process one.
        BadResponse: Kitsu keeps another file than was sent.
        FarmTasksError: whatever else went wrong.
    """
    first = published[0]
    frame_wanted = thumbnail is not None and _is_movie(first)
    if wait_until_ready or frame_wanted:
        for index, content in enumerate(published):
            _see_ready(Part(ledger, f"preview{index}"), content, client, progress)

    def stand_for_shot() -> None:
        announce(progress, "setting the thumbnail")
        frame = thumbnail if frame_wanted else None
        set_thumbnail(first["id"], target["task"], frame, made, client)

    def join_playlist() -> None:
        announce(progress, "adding to the playlist")
        # Kitsu skips what is there already (zou, playlists_service).
        with calling(client) as kitsu:
            gazu.playlist.add_entity_to_playlist(
                {"id": target["playlist"]},
                target["task"]["entity_id"],
                first["id"],
                client=kitsu,
            )

    if thumbnail is not None:
        _unless_noted(ledger, "thumbnail", [first["id"], thumbnail], stand_for_shot)
    if target["playlist"] is not None:
        _unless_noted(ledger, "playlist", [first["id"], target["playlist"]], join_playlist)


def _unless_noted(ledger: Ledger, step: str, about: list[Any], do: Callable[[], object]) -> None:
    """Do what does no harm twice, but not again later: somebody may have changed it meanwhile."""
    noted = ledger.read(step)
    if noted is None or noted["about"] != about:
        do()
        ledger.write(step, {"about": about})


def _see_ready(
    part: Part, content: dict[str, Any], client: KitsuClient | None, progress: ProgressCallback
) -> None:
    found = ready(part, content["id"], client, progress)
    content["status"] = found["status"]
    kept = found.get("file_size")
    if not content["normalized"] and _is_movie(content) and kept and kept != content["size"]:
        raise BadResponse(
            f"Kitsu keeps {kept:,} bytes of preview {content['id']}, and {content['size']:,} were "
            "sent."
        )


def _is_movie(content: dict[str, Any]) -> bool:
    return str(content["extension"]).lower() in MOVIE_EXTENSIONS
