"""``publish``: from a rendered file to a preview that a supervisor can look at.

Not gazu's: it is made of the steps that a TD would call one after the other. Each is noted in the
ledger, so that whatever ends a try, the next one goes on from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity
from farm_tasks.errors import EntityNotFound, InvalidArgument
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path, size_of
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.kitsu.ledger import Ledger, Memory, Part, is_done
from farm_tasks.kitsu.operations.comments import add_comment
from farm_tasks.kitsu.operations.content import put_content, size_to_send
from farm_tasks.kitsu.operations.filling import forget_if_deleted
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.kitsu.operations.movie import MovieMaker, make_once, path_of
from farm_tasks.kitsu.operations.showing import show
from farm_tasks.kitsu.operations.target import (
    check_revision,
    find_target,
    look_up_again,
    posted_before,
    status_of,
)
from farm_tasks.kitsu.operations.thumbnail import check_count
from farm_tasks.revision import revision_of
from farm_tasks.thumbnail_frame import check_thumbnail
from farm_tasks.transfer.progress import ProgressCallback
from farm_tasks.transfer.relay import Share, StageClock

_COMMENT = ("id", "text", "task_status_id", "person_id", "created_at", "attachment_files")
"""What is told of the comment. Kitsu also says all about its author."""


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
        Rejected: the revision is taken. Nothing was said in Kitsu then.
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
    with _beginning_anew(ledger, client):
        target = find_target(ledger, task, task_status, person, playlist, client, clock)
        if posted_before(ledger, target, comment) is None:
            check_revision(target, wanted, client)
        made = None
        if movie is not None:
            made = make_once(ledger, movie, target, comment, clock)
            check_count(thumbnail, made["frames"])
            paths.insert(0, path_of(made, movie))
        before = sum(map(size_of, attached))
        total = before + sum(
            size_to_send(Part(ledger, f"preview{at}"), p) for at, p in enumerate(paths)
        )
        posted = add_comment(
            target["task"]["id"],
            status_of(ledger, target, comment, client),
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
                of_frames = made if index == 0 else None
                normalize = (of_frames is None) if normalize_movie is None else normalize_movie
                content = put_content(
                    Part(ledger, f"preview{index}"),
                    posted,
                    path,
                    wanted,
                    normalize,
                    of_frames["sha256"] if of_frames else None,
                    client,
                    Share(clock, before, total),
                )
                before += content["size"]
                published.append(content)
            show(ledger, target, published, wait_until_ready, thumbnail, made, client, clock)
    clock(total, total)
    return _told(target, posted, published, made, clock, client)


@contextlib.contextmanager
def _beginning_anew(ledger: Ledger, client: KitsuClient | None) -> Iterator[None]:
    """Have a retry by hand look the names up again, and post again if the comment was deleted."""
    try:
        yield
    except EntityNotFound:
        look_up_again(ledger)
        posted = is_done(ledger, "comment")
        if posted is not None:
            forget_if_deleted(ledger, posted["id"], client)
        raise


def _told(
    target: dict[str, Any],
    comment: dict[str, Any],
    published: list[dict[str, Any]],
    made: dict[str, Any] | None,
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
    movie = None
    if made is not None:
        notes += made.get("warnings", [])
        movie = {**made}
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
