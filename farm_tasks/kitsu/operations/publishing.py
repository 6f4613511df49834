"""``publish``: from a rendered file to a preview that a supervisor can look at.

Not gazu's: it is made of the steps that a TD would call one after the other. Each is noted in the
ledger, so that whatever ends a try, the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import gazu
from gazu.client import KitsuClient

from farm_tasks.confinement import name_in_submission
from farm_tasks.entity import Entity
from farm_tasks.errors import BadResponse, EntityNotFound, InvalidArgument
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.checks import (
    MOVIE_EXTENSIONS,
    attachment_paths,
    extension_of,
    preview_file_path,
    size_of,
)
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.kitsu.ledger import Ledger, Memory, Part, is_done
from farm_tasks.kitsu.lookup import find_person, find_playlist, find_status, find_task
from farm_tasks.kitsu.operations.comments import add_comment
from farm_tasks.kitsu.operations.filling import (
    filled,
    forget_if_deleted,
    made_on,
    previews_of,
)
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.kitsu.operations.processing import ready
from farm_tasks.kitsu.operations.thumbnail import check_thumbnail, set_thumbnail
from farm_tasks.revision import revision_of
from farm_tasks.transfer.digest import digesting
from farm_tasks.transfer.progress import ProgressCallback, Share, StageClock, announce

_TARGET = "target"
_COMMENT = ("id", "text", "task_status_id", "person_id", "created_at", "attachment_files")
"""What is told of the comment. Kitsu also says all about its author."""

_MOVIE = "movie"
_CONTENT = "content"


class MovieMaker(Protocol):
    """Makes the movie that is to be the first preview."""

    name: str
    """What it is made of, the same wherever it is made."""

    def __call__(
        self, labels: Mapping[str, str], progress: ProgressCallback | None
    ) -> dict[str, Any]:
        """Make it, or find it where an earlier try on this machine has made it.

        Args:
            labels: What can be written into the picture: ``project``, ``shot``, ``task``,
                ``artist``, ``date``.
            progress: Hears of its frames.

        Returns:
            JSON-safe facts; ``path`` is where it is, ``frames`` how many it has, ``fps`` its rate
            as ``24000/1001``.
        """


def publish(
    task: Entity,
    previews: list[str] | None = None,
    task_status: Entity | None = None,
    comment: str = "",
    person: Entity | None = None,
    attachments: list[str] | None = None,
    revision: int | str = "auto",
    thumbnail: int | str | None = None,
    playlist: Entity | None = None,
    wait_until_ready: bool = True,
    normalize_movie: bool | None = None,
    movie: MovieMaker | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Comment on a task, with previews, and see them through until Kitsu shows them.

    Args:
        task: A task, by id or by path (:mod:`farm_tasks.kitsu.lookup`).
        previews: Movies, pictures or other files; all go under one revision.
        task_status: The status to set, by short name, name or id. None keeps the present one.
        comment: Its text.
        person: In whose name, by id, email, full name or desktop login. Kitsu allows it to bots
            that are managers or more; for others the comment is the bot's, and a note says so.
        attachments: Files to attach to the comment.
        revision: ``auto`` (the next one), a number, or ``from-name``: 3 of ``comp_v003.mov``.
        thumbnail: The frame of the first preview that stands for the shot: ``first``, ``middle``,
            ``last`` or its number, from 1. None leaves that to Kitsu.
        playlist: A playlist of the project that the first preview is added to, by id or name.
        wait_until_ready: End when Kitsu has processed the previews, and fail if it cannot.
        normalize_movie: Let Kitsu transcode movies. None: as Kitsu does by default; but a movie
            that was made here is what Kitsu would make, and is kept byte for byte.
        movie: Makes the first preview. It is called when the names are known and before Kitsu is
            told anything.
        client: A logged-in gazu client, or None for the one of this process.
        progress_callback: ``callback(bytes_read, total)``, over all files.
        ledger: What has been done already, where this may be a later try.

    Returns:
        ``{"task", "comment", "previews", "revision", "movie", "playlist", "urls", "seconds",
        "notes"}``. ``previews`` has for each ``{"id", "revision", "status", "file", "size",
        "sha256", "url"}``: bytes, and the digest of what was sent. ``seconds`` has those of each
        stage of this try.

    Raises:
        EntityNotFound: a name is not Kitsu's; the error lists what comes near.
        InvalidArgument: there is nothing to publish, or a name means several things.
        BrokenMovie: Kitsu could not process a preview. Called again with the same ledger, this puts
            another one in its place, on the same comment.
        BadResponse: Kitsu keeps another file than was sent.
        FarmTasksError: whatever else went wrong.
    """
    clock = StageClock(progress_callback)
    ledger = ledger or Memory()
    paths = [preview_file_path(one) for one in previews or []]
    attached = attachment_paths(attachments)
    if not paths and movie is None:
        raise InvalidArgument("There is nothing to publish: give a file, or frames.")
    names = [*([movie.name] if movie else []), *paths]
    wanted = revision_of(revision, names[0])
    check_thumbnail(thumbnail)
    target = _target(ledger, task, task_status, person, playlist, client, clock)
    if movie is not None:
        path = _movie_path(ledger, movie, target, clock)
        paths.insert(0, path)
    before = sum(map(size_of, attached))
    total = before + sum(_size(Part(ledger, f"preview{at}"), one) for at, one in enumerate(paths))
    posted = add_comment(
        target["task"]["id"],
        target["task_status"],
        comment=comment,
        person=target["person"],
        attachments=attached,
        client=client,
        progress_callback=Share(clock, 0, total),
        ledger=ledger,
    )
    published = []
    with remembering(ledger, f"Comment {posted['id']} was posted."):
        for index, path in enumerate(paths):
            keep = index == 0 and movie is not None
            normalize = (not keep) if normalize_movie is None else normalize_movie
            try:
                content = _content(
                    Part(ledger, f"preview{index}"),
                    posted,
                    path,
                    wanted,
                    normalize,
                    client,
                    Share(clock, before, total),
                )
            except EntityNotFound:
                forget_if_deleted(ledger, posted["id"], client)
                raise
            before += content["size"]
            published.append(content)
        frame_wanted = thumbnail is not None and _is_movie(published[0])
        if wait_until_ready or frame_wanted:
            for index, content in enumerate(published):
                _see_ready(Part(ledger, f"preview{index}"), content, client, clock)
        if thumbnail is not None:
            announce(clock, "setting the thumbnail")
            set_thumbnail(
                published[0]["id"],
                target["task"],
                thumbnail if frame_wanted else None,
                ledger.read(_MOVIE),
                client,
            )
        if target["playlist"] is not None:
            announce(clock, "adding to the playlist")
            with calling(client) as kitsu:
                # Kitsu skips what is there already (zou, playlists_service).
                gazu.playlist.add_entity_to_playlist(
                    {"id": target["playlist"]},
                    target["task"]["entity_id"],
                    published[0]["id"],
                    client=kitsu,
                )
    clock(total, total)
    return _told(ledger, target, posted, published, clock, client)


def _target(
    ledger: Ledger,
    task: Entity,
    task_status: Entity | None,
    person: Entity | None,
    playlist: Entity | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """The ids behind the names, looked up once: they, and the present status, may change."""
    about = [task, task_status, person, playlist]
    noted = ledger.read(_TARGET)
    if noted is not None and noted["about"] == about:
        return dict(noted["found"])
    announce(progress, "looking up the task")
    found = find_task(task, client)
    kept = ("id", "path", "project_id", "entity_id", "task_status_id")
    target = {
        "task": {name: found[name] for name in kept},
        "task_status": found["task_status_id"]
        if task_status is None
        else find_status(task_status, client)["id"],
        "person": None,
        "artist": "",
        "playlist": None,
        # Written into the picture: a later try has to make the same movie.
        "date": datetime.fromtimestamp(ledger.now()).astimezone().strftime("%Y-%m-%d"),
    }
    if person is not None:
        one = find_person(person, client)
        target |= {"person": one["id"], "artist": one["full_name"]}
    if playlist is not None:
        target["playlist"] = find_playlist(found["project_id"], playlist, client)["id"]
    ledger.write(_TARGET, {"about": about, "found": target})
    return target


def _movie_path(
    ledger: Ledger, movie: MovieMaker, target: dict[str, Any], progress: ProgressCallback
) -> str:
    """The movie, made unless what it is for is in Kitsu already."""
    noted = ledger.read(_MOVIE)
    if noted is not None and _is_uploaded(Part(ledger, "preview0")):
        return str(noted["path"])
    names = target["task"]["path"].split("/")
    labels = {
        "project": names[0],
        "shot": "/".join(names[1:-1]),
        "task": names[-1],
        "artist": target["artist"],
        "date": target["date"],
    }
    announce(progress, "encoding")
    made = movie(labels, progress)
    ledger.write(_MOVIE, made)
    path: str = made["path"]
    return path


def _content(
    part: Part,
    comment: dict[str, Any],
    path: str,
    revision: int | None,
    normalize: bool,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """A preview with its content, and what was sent."""
    noted = part.read(_CONTENT)
    if noted is not None and _is_uploaded(part) and noted["comment"] == comment["id"]:
        return noted
    path = preview_file_path(path)
    task, comment_id = comment["object_id"], comment["id"]

    def create(kitsu: KitsuClient) -> Any:
        # Further ones of a comment get the revision of the first, and cannot ask for it.
        own = None if previews_of(comment_id, client) else revision
        return gazu.task.create_preview(task, comment_id, revision=own, client=kitsu)

    def make() -> dict[str, Any]:
        announce(progress, "making the preview")
        return made_on(part, task, comment_id, path, create, client)

    with digesting(path) as digest:
        uploaded = filled(part, make, path, normalize, False, client, progress)
        content = {
            "comment": comment_id,
            "id": uploaded["id"],
            "revision": uploaded["revision"],
            "status": uploaded["status"],
            "extension": uploaded["extension"] or extension_of(path),
            "file": name_in_submission(path),
            "normalized": normalize,
            "size": size_of(path),
            "sha256": digest(),
        }
    part.write(_CONTENT, content)
    return content


def _is_uploaded(part: Part) -> bool:
    return part.read(_CONTENT) is not None and is_done(part, "upload") is not None


def _size(part: Part, path: str) -> int:
    """Bytes. A movie that an earlier try has made and uploaded need not be there any more."""
    noted = part.read(_CONTENT)
    return int(noted["size"]) if noted is not None and _is_uploaded(part) else size_of(path)


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


def _told(
    ledger: Ledger,
    target: dict[str, Any],
    comment: dict[str, Any],
    published: list[dict[str, Any]],
    clock: StageClock,
    client: KitsuClient | None,
) -> dict[str, Any]:
    """What the submitter gets to know."""
    kitsu = client or kitsu_client()
    url = gazu.task.get_task_url(target["task"], client=kitsu)
    notes = []
    if target["person"] not in {None, comment.get("person_id")}:
        notes.append(
            f"The comment is in the bot's name and not in {target['artist']}'s: Kitsu allows that "
            "to bots with the role of a manager or more."
        )
    movie = ledger.read(_MOVIE)
    if movie is not None:
        notes += movie.get("warnings", [])
        del movie["path"]  # a worker's own, and gone by now
    kept = ("id", "revision", "status", "file", "size", "sha256")
    return {
        "task": {"id": target["task"]["id"], "path": target["task"]["path"]},
        "comment": {name: comment[name] for name in _COMMENT},
        "previews": [
            {**{name: one[name] for name in kept}, "url": f"{url}previews/{one['id']}"}
            for one in published
        ],
        "revision": published[0]["revision"],
        "movie": movie,
        "playlist": target["playlist"],
        "urls": {"task": url},
        "seconds": clock.seconds(),
        "notes": notes,
    }
