"""One of the previews of ``publish``: its row, its content, and what was sent."""

from __future__ import annotations

from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.confinement import name_in_submission
from farm_tasks.kitsu.checks import extension_of, preview_file_path, size_of
from farm_tasks.kitsu.ledger import Part, is_done
from farm_tasks.kitsu.operations.filling import filled, made_on, previews_of
from farm_tasks.transfer.digest import digesting
from farm_tasks.transfer.progress import ProgressCallback, announce

_SENT = "sent"
_CONTENT = "content"


def put_content(
    part: Part,
    comment: dict[str, Any],
    path: str,
    revision: int | None,
    normalize: bool,
    sha256: str | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """A preview on the comment, with its content.

    Args:
        part: The part of the ledger that is this preview's.
        comment: Kitsu's.
        path: The file.
        revision: To ask for, or None for the next one.
        normalize: Let Kitsu transcode it.
        sha256: Of the file, where it is known.
        client: As everywhere.
        progress: As everywhere.

    Returns:
        ``comment``, ``id``, ``revision``, ``status``, ``extension``, ``file``, ``normalized``,
        ``size`` (bytes) and ``sha256`` of what was sent; None if that cannot be told any more.
    """
    kept = kept_content(part, comment["id"], name_in_submission(path))
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


def kept_content(part: Part, comment: str, file: str) -> dict[str, Any] | None:
    """What was noted of a preview on this comment that has this file's content already."""
    noted = part.read(_CONTENT)
    if noted is None or is_done(part, "upload") is None:
        return None
    return dict(noted) if (noted["comment"], noted["file"]) == (comment, file) else None


def size_to_send(part: Part, path: str) -> int:
    """Bytes. A movie that an earlier try has made and uploaded need not be there any more."""
    noted = part.read(_CONTENT)
    is_kept = noted is not None and kept_content(part, noted["comment"], name_in_submission(path))
    return int(noted["size"]) if noted is not None and is_kept else size_of(path)
