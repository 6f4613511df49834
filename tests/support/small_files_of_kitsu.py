"""What Kitsu answers where small files move: thumbnails, avatars, attachments.

A part of :mod:`tests.support.discarding_kitsu`, and as that does it imports nothing of ours. What
is sent is read whole and thrown away; of an attachment its name and size are kept, since who sent
it may look for them. Shaped as zou 1.0.97's answers.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import uuid
from typing import Any

THUMBNAIL_BYTES = 20_000
"""Of a preview's thumbnail, as zou makes them: 150 x 100 pixels."""

_THUMBNAIL = b"\x89PNG\r\n\x1a\n" + b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(700))
_THUMBNAIL = _THUMBNAIL[:THUMBNAIL_BYTES]
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
    f"Content-Length: {THUMBNAIL_BYTES}\r\n"
    'ETag: "thumbnail"\r\nAccept-Ranges: bytes\r\n\r\n'
).encode()

_GIVEN = re.compile(r"/api/pictures/thumbnails/preview-files/[^/]+\.png")
_AVATAR = re.compile(r"/api/pictures/thumbnails/(persons|projects|organisations)/([^/]+)")
_ATTACHMENT = re.compile(r"/api/actions/tasks/[^/]+/comments/([^/]+)/add-attachment")
_COMMENTS = re.compile(r"/api/data/tasks/([^/]+)/comments")
_NAME = re.compile(rb'filename="((?:[^"\\]|\\.)*)"')

_attached: dict[str, list[dict[str, Any]]] = {}
_lock = threading.Lock()

Answer = tuple[int, Any]
"""A status and what becomes JSON."""


def give_thumbnail(connection: socket.socket, path: str) -> bool:
    """Send a thumbnail if ``path`` is one's."""
    if not _GIVEN.fullmatch(path):
        return False
    connection.sendall(_HEAD + _THUMBNAIL)
    return True


def answer_to_get(path: str) -> Answer | None:
    """What a look at something answers; None where this module does not know it.

    A task has one comment here, of the task's own id.
    """
    task = _COMMENTS.fullmatch(path)
    if task is None:
        return None
    with _lock:
        files = list(_attached.get(task[1], ()))
    comment = {"id": task[1], "type": "Comment", "object_id": task[1], "object_type": "Task"}
    comment |= {"text": "", "task_status_id": task[1], "person_id": task[1]}
    return 200, [{**comment, "attachment_files": files}]


def takes(path: str) -> bool:
    """Whether something small may be sent to ``path``."""
    return bool(_AVATAR.fullmatch(path) or _ATTACHMENT.fullmatch(path))


def answer_to_upload(path: str, content_type: str, body: bytes) -> Answer:
    """What an upload to a path that :func:`takes` it answers.

    Args:
        path: Where it was sent to.
        content_type: Of the body, ``multipart/form-data`` with its boundary.
        body: All of it.
    """
    avatar = _AVATAR.fullmatch(path)
    if avatar:
        return 201, {"thumbnail_path": f"/pictures/thumbnails/{avatar[1]}/{avatar[2]}.png"}
    attachment = _ATTACHMENT.fullmatch(path)
    assert attachment is not None
    comment = attachment[1]
    added = [
        {
            "id": str(uuid.uuid4()), "type": "AttachmentFile", "name": name, "size": size,
            "extension": name.rpartition(".")[2], "mimetype": "", "comment_id": comment,
        }
        for name, size in _files(content_type, body)
    ]  # fmt: skip
    with _lock:
        _attached.setdefault(comment, []).extend(added)
    return 201, added


def _files(content_type: str, body: bytes) -> list[tuple[str, int]]:
    """The name and the size of each file in a multipart body."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    files = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name:
            files.append((name[1].decode(), len(content) - len(b"\r\n")))
    return files
