"""``publish``: from a rendered file to a preview that a supervisor can look at.

Not gazu's: it is made of the steps that a TD would call one after the other. Each is noted in the
ledger, so that whatever ends a try, the next one goes on from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import gazu
from gazu.client import KitsuClient

from farm_tasks.confinement import SourcePath, name_in_submission
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
from farm_tasks.kitsu.operations.comments import add_comment, comment_about
from farm_tasks.kitsu.operations.filling import (
    filled,
    forget_if_deleted,
    forget_preview,
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

_STATUS = "status"
_MOVIE = "movie"
_SENT = "sent"
_CONTENT = "content"


class MovieMaker(Protocol):
    """Makes the movie that is to be the first preview."""

    name: str
    """What it is made of, the same wherever it is made."""

    about: dict[str, Any]
    """JSON-safe: all that makes it this movie and no other, but for the labels."""

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
            as ``24000/1001``, ``sha256`` its digest.
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
    with _beginning_anew(ledger, client):
        target = _target(ledger, task, task_status, person, playlist, client, clock)
        made = None
        if movie is not None:
            made = _made(ledger, movie, target, comment, clock)
            paths.insert(0, SourcePath(made["path"], given=f"movie of {movie.name}"))
        before = sum(map(size_of, attached))
        total = before + sum(_size(Part(ledger, f"preview{at}"), p) for at, p in enumerate(paths))
        posted = add_comment(
            target["task"]["id"],
            _status(ledger, target, comment, client),
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
                content = _content(
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
            _show(ledger, target, published, wait_until_ready, thumbnail, made, client, clock)
    clock(total, total)
    return _told(target, posted, published, made, clock, client)


@contextlib.contextmanager
def _beginning_anew(ledger: Ledger, client: KitsuClient | None) -> Iterator[None]:
    """Have a retry by hand look the names up again, and post again if the comment was deleted."""
    try:
        yield
    except EntityNotFound:
        target = ledger.read(_TARGET)
        if target is not None:
            ledger.write(_TARGET, {**target, "about": None})
        posted = is_done(ledger, "comment")
        if posted is not None:
            forget_if_deleted(ledger, posted["id"], client)
        raise


def _target(
    ledger: Ledger,
    task: Entity,
    task_status: Entity | None,
    person: Entity | None,
    playlist: Entity | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """The ids behind the names, looked up once: names may change."""
    about = [task, task_status, person, playlist]
    noted = ledger.read(_TARGET)
    if noted is not None and noted["about"] == about:
        return dict(noted["found"])
    announce(progress, "looking up the task")
    found = find_task(task, client)
    today = datetime.fromtimestamp(ledger.now()).astimezone().strftime("%Y-%m-%d")
    kept = ("id", "path", "project_id", "entity_id")
    target = {
        "task": {name: found[name] for name in kept},
        "task_status": None if task_status is None else find_status(task_status, client)["id"],
        "person": None,
        "artist": "",
        "playlist": None,
        # Written into the picture: a later try has to make the same movie.
        "date": noted["found"]["date"] if noted is not None else today,
    }
    if person is not None:
        one = find_person(person, client)
        target |= {"person": one["id"], "artist": one["full_name"]}
    if playlist is not None:
        target["playlist"] = find_playlist(found["project_id"], playlist, client)["id"]
    ledger.write(_TARGET, {"about": about, "found": target})
    return target


def _status(
    ledger: Ledger, target: dict[str, Any], comment: str, client: KitsuClient | None
) -> str:
    """The status that the comment sets.

    None is given for the present one: as it is when the comment is first tried, which may be long
    after the names were looked up. From then on the comment is known by it.
    """
    given: str | None = target["task_status"]
    if given is not None:
        return given
    about = [target["task"]["id"], comment, target["person"]]
    noted = ledger.read(_STATUS)
    if noted is None or noted["about"] != about or ledger.read("comment") is None:
        with calling(client) as kitsu:
            found = gazu.task.get_task(target["task"]["id"], client=kitsu)
        noted = {"about": about, "status": found["task_status_id"]}
        ledger.write(_STATUS, noted)
    return str(noted["status"])


def _posted(ledger: Ledger, target: dict[str, Any], comment: str) -> dict[str, Any] | None:
    """The comment, if an earlier try has posted it."""
    task, person = target["task"]["id"], target["person"]
    status = target["task_status"] or (ledger.read(_STATUS) or {"status": ""})["status"]
    found: dict[str, Any] | None = is_done(
        ledger, "comment", comment_about(task, status, comment, person)
    )
    return found


def _made(
    ledger: Ledger,
    movie: MovieMaker,
    target: dict[str, Any],
    comment: str,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """The facts of the movie, made unless what it is for is in Kitsu already."""
    names = target["task"]["path"].split("/")
    labels = {
        "project": names[0],
        "shot": "/".join(names[1:-1]),
        "task": names[-1],
        "artist": target["artist"],
        "date": target["date"],
    }
    about = {**movie.about, "labels": labels}
    part = Part(ledger, "preview0")
    noted = ledger.read(_MOVIE)
    if noted is not None and noted["about"] != about:
        noted = None
        forget_preview(part)  # it has the same name
    posted = _posted(ledger, target, comment)
    if noted and posted and _kept(part, posted["id"], f"movie of {movie.name}"):
        return dict(noted["facts"])  # the file itself need not be there any more
    announce(progress, "encoding")
    facts = movie(labels, progress)
    ledger.write(_MOVIE, {"about": about, "facts": facts})
    return facts


def _content(
    part: Part,
    comment: dict[str, Any],
    path: str,
    revision: int | None,
    normalize: bool,
    sha256: str | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """A preview with its content, and what was sent."""
    kept = _kept(part, comment["id"], name_in_submission(path))
    if kept is not None:
        return kept
    path = preview_file_path(path)
    task, comment_id = comment["object_id"], comment["id"]

    def create(kitsu: KitsuClient) -> Any:
        # Further ones of a comment get the revision of the first, and cannot ask for it.
        own = None if previews_of(comment_id, client) else revision
        return gazu.task.create_preview(task, comment_id, revision=own, client=kitsu)

    def make() -> dict[str, Any]:
        announce(progress, "making the preview")
        return made_on(part, task, comment_id, path, create, client)

    def note() -> None:
        # Kitsu may turn out to have the bytes of this try when the next one has others: a file that
        # was replaced, a movie by another version.
        part.write(_SENT, {"size": size_of(path), "sha256": sha256})

    with digesting(path) as digest:
        uploaded = filled(part, make, path, normalize, False, client, progress, note)
        sent = part.read(_SENT) or {"size": size_of(path), "sha256": None}
        is_same = sent["size"] == size_of(path)
        content = {
            "comment": comment_id,
            "id": uploaded["id"],
            "revision": uploaded["revision"],
            "status": uploaded["status"],
            "extension": uploaded["extension"] or extension_of(path),
            "file": name_in_submission(path),
            "normalized": normalize,
            "size": sent["size"],
            "sha256": sent["sha256"] or (digest() if is_same else None),
        }
    part.write(_CONTENT, content)
    return content


def _kept(part: Part, comment: str, file: str) -> dict[str, Any] | None:
    """What was noted of a preview on this comment that has this file's content already."""
    noted = part.read(_CONTENT)
    if noted is None or is_done(part, "upload") is None:
        return None
    return dict(noted) if (noted["comment"], noted["file"]) == (comment, file) else None


def _size(part: Part, path: str) -> int:
    """Bytes. A movie that an earlier try has made and uploaded need not be there any more."""
    noted = part.read(_CONTENT)
    is_kept = noted is not None and _kept(part, noted["comment"], name_in_submission(path))
    return int(noted["size"]) if noted is not None and is_kept else size_of(path)


def _show(
    ledger: Ledger,
    target: dict[str, Any],
    published: list[dict[str, Any]],
    wait_until_ready: bool,
    thumbnail: int | str | None,
    made: dict[str, Any] | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> None:
    """Wait for Kitsu, then put the first preview where it is to be seen."""
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
