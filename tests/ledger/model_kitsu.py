"""A Kitsu that does what it is told at each request: answer, lose the answer, do half, refuse.

It keeps comments, their attachments and previews, thumbnails and a playlist as zou 1.0.97 does, and
holds every request that changes something until the test says what becomes of it. Whose request it
is, the token tells.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.parser
import email.policy
import http.server
import json
import re
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

BOT = "33333333-3333-4333-8333-333333333333"
STATUS = "22222222-2222-4222-8222-222222222222"
OTHER_STATUS = "22222222-2222-4222-8222-222222222223"
ENTITY = "44444444-4444-4444-8444-444444444444"
PROJECT = "55555555-5555-4555-8555-555555555555"
PLAYLIST = "66666666-6666-4666-8666-666666666666"
BROKEN = b"broken"
"""The content of a movie that Kitsu cannot process."""

Answer = tuple[int, Any]
Files = list[tuple[str, str, bytes]]
"""Of each its field, its name, its content."""


@dataclasses.dataclass
class Held:
    """A request that waits for its fate."""

    what: str
    act: Callable[[int | None], Answer]
    fate: str = ""
    decided: threading.Event = dataclasses.field(default_factory=threading.Event)


class ModelKitsu(http.server.ThreadingHTTPServer):
    """The server; its content is read and cleared by the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.changed = threading.Condition()
        self.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def clear(self) -> None:
        with self.changed:
            self.comments: list[dict[str, Any]] = []
            self.previews: dict[str, dict[str, Any]] = {}
            self.contents: dict[str, bytes] = {}
            self.statuses: dict[str, str] = {}
            """The status of each task, :data:`STATUS` where none is said."""

            self.playlist: list[tuple[str, str]] = []
            self.thumbnails: list[str] = []
            """The previews that were made the main one, in that order."""

            self.held: dict[str, Held] = {}
            self.fates: list[str] | None = None
            """Decided in advance, one after the other, then all ``ok``; None to be asked."""

    def delete_comment(self, comment: str) -> None:
        """As zou does, with its previews."""
        with self.changed:
            [one] = [one for one in self.comments if one["id"] == comment]
            self.comments.remove(one)
            for preview in one["previews"]:
                del self.previews[preview]

    def names_of(self, comment: dict[str, Any]) -> list[str | None]:
        """What the previews of a comment hold; None of one that waits for its content."""
        return [self.previews[one]["original_name"] for one in comment["previews"]]

    def decide(self, token: str, fate: str) -> None:
        """Let the request of ``token`` go.

        Args:
            token: Whose request.
            fate: ``ok``; ``lost`` (done, no answer); ``half`` (some files stored, then cut);
                ``cut`` (not done, no answer); ``503`` (not done); ``500`` (half done);
                ``refused`` (400; of a preview's content: and the preview is deleted).
        """
        with self.changed:
            held = self.held.pop(token)
        held.fate = fate
        held.decided.set()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ModelKitsu
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.changed:
            if match := re.search(r"tasks/([^/]+)/comments$", path):
                task = match[1]
                found = [one for one in self.server.comments if one["object_id"] == task]
                return self._answer(200, found[::-1])
            if match := re.search(r"data/comments/([^/]+)$", path):
                return self._found(
                    next((one for one in self.server.comments if one["id"] == match[1]), None)
                )
            if match := re.search(r"data/preview-files/([^/]+)$", path):
                return self._found(self.server.previews.get(match[1]))
            if path.endswith("data/preview-files"):
                return self._answer(200, list(self.server.previews.values()))
            if match := re.search(r"data/tasks/([^/]+)/full$", path):
                return self._answer(200, self._task(match[1]))
        if path.endswith("data/task-status"):
            return self._answer(200, [{"id": STATUS, "short_name": "wfa", "name": "Waiting"}])
        if match := re.search(r"data/(entities|projects|playlists)/([^/]+)$", path):
            return self._answer(200, {"id": match[2], "data": None, "fps": "24"})
        if path.endswith("/auth/authenticated"):
            return self._answer(200, {"user": {"id": BOT}})
        return self._answer(200, {"version": "1.0.97"})

    def do_DELETE(self) -> None:
        preview = self.path.partition("?")[0].rpartition("/")[2]
        with self.server.changed:
            self._delete(preview)
        self._answer(204, None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields, files = _parts(self.headers["Content-Type"], body)
        path = self.path.partition("?")[0]
        if match := re.search(r"tasks/([^/]+)/comment$", path):
            self._hold("comment", lambda most: self._comment(match[1], fields, files, most))
        elif match := re.search(r"comments/([^/]+)/add-attachment$", path):
            self._hold("attachments", lambda most: self._attach(match[1], files, most))
        elif match := re.search(r"comments/([^/]+)/add-preview$", path):
            self._hold("preview", lambda _most: self._preview(match[1], fields.get("revision")))
        elif match := re.search(r"playlists/([^/]+)/add-entity$", path):
            entry = (fields["entity_id"], fields["preview_file_id"])
            self._hold("playlist", lambda _most: self._add_to_playlist(entry))
        elif path.endswith("/batch-comment"):
            self._hold("batch", lambda most: self._batch(fields, files, most))
        elif match := re.search(r"pictures/preview-files/([^/]+)$", path):
            self._hold("upload", lambda most: self._store(match[1], files, most))
        else:
            self._answer(404, {"message": path})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        preview = self.path.partition("?")[0].split("/")[-2]
        self._hold("thumbnail", lambda _most: self._show(preview))

    def _hold(self, what: str, act: Callable[[int | None], Answer]) -> None:
        held = Held(what, act)
        with self.server.changed:
            self.server.held[self.headers["Authorization"].split()[1]] = held
            self.server.changed.notify_all()
        if self.server.fates is not None:
            fate = self.server.fates.pop(0) if self.server.fates else "ok"
            self.server.decide(self.headers["Authorization"].split()[1], fate)
        held.decided.wait()
        fate = held.fate
        with self.server.changed:
            if fate == "refused":
                if what == "upload":
                    self._delete(self.path.partition("?")[0].rpartition("/")[2])
                return self._answer(400, {"message": "refused"})
            if fate == "503":
                return self._answer(503, {"message": "later"})
            if fate != "cut":
                status, answer = act(1 if fate in {"half", "500"} else None)
                if fate == "ok":
                    return self._answer(status, answer)
                if fate == "500":
                    return self._answer(500, {"message": "failed"})
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
        return None

    def _comment(
        self,
        task: str,
        fields: dict[str, str],
        files: Files,
        most: int | None,
    ) -> Answer:
        comment = {
            "id": str(uuid.uuid4()),
            "object_id": task,
            "task_status_id": fields["task_status_id"],
            "text": fields["comment"],
            "person_id": BOT,
            "created_at": f"2026-11-22T10:00:{len(self.server.comments):02}",
            "previews": [],
            "attachment_files": _attachments(files[:most]),
        }
        self.server.comments.append(comment)
        self.server.statuses[task] = fields["task_status_id"]
        return 201, comment

    def _batch(self, fields: dict[str, str], files: Files, most: int | None) -> Answer:
        made = []
        for number, asked in enumerate(json.loads(fields["comments"])[:most]):
            wanted = {**asked, "comment": asked["text"]}
            mine = [one for one in files if one[0].startswith(f"attachment_file-{number}-")]
            _, comment = self._comment(asked["task_id"], wanted, mine, most)
            comment = {**comment, "preview_files": []}
            for one in files:
                if one[0].startswith(f"preview_file-{number}-"):
                    _, preview = self._preview(comment["id"], None)
                    self._store(preview["id"], [one], most)
                    comment["preview_files"].append(preview)
            made.append(comment)
        return 201, made

    def _attach(self, comment: str, files: Files, most: int | None) -> Answer:
        added = _attachments(files[:most])
        for one in self.server.comments:
            if one["id"] == comment:
                one["attachment_files"] += added
        return 201, added

    def _preview(self, comment: str, revision: int | None) -> Answer:
        found = next((one for one in self.server.comments if one["id"] == comment), None)
        if found is None:
            return 404, {"message": "no such comment"}
        others = [self.server.previews[one]["revision"] for one in found["previews"]]
        taken = [one["revision"] for one in self.server.previews.values()]
        if revision is None:
            revision = others[0] if others else max(taken, default=0) + 1
        elif not others and revision in taken:
            return 400, {"message": "there is such a revision"}
        preview = {
            "id": str(uuid.uuid4()),
            "revision": revision,
            "original_name": None,
            "extension": None,
            "file_size": None,
            "duration": None,
            "status": "processing",
        }
        self.server.previews[preview["id"]] = preview
        found["previews"].append(preview["id"])
        return 201, preview

    def _store(self, preview: str, files: Files, most: int | None) -> Answer:
        found = self.server.previews.get(preview)
        if found is None:
            return 404, {"message": "no such preview"}
        if found["original_name"]:
            return 400, {"message": "has its content already"}
        if most is None:
            _, name, content = files[0]
            found["original_name"], _, found["extension"] = name.rpartition(".")
            found["file_size"] = len(content)
            found["status"] = "broken" if content == BROKEN else "ready"
            self.server.contents[preview] = content
        return 201, found

    def _show(self, preview: str) -> Answer:
        if preview not in self.server.previews:
            return 404, {"message": "no such preview"}
        self.server.thumbnails.append(preview)
        return 200, {"id": preview}

    def _add_to_playlist(self, entry: tuple[str, str]) -> Answer:
        if entry not in self.server.playlist:
            self.server.playlist.append(entry)
        return 200, {"id": PLAYLIST}

    def _task(self, task: str) -> dict[str, Any]:
        names = ("project", "sequence", "entity", "task_type")
        return {
            "id": task,
            "task_status_id": self.server.statuses.get(task, STATUS),
            "project_id": PROJECT,
            "entity_id": ENTITY,
            **{name: {"name": name} for name in names},
        }

    def _delete(self, preview: str) -> None:
        self.server.previews.pop(preview, None)
        for one in self.server.comments:
            if preview in one["previews"]:
                one["previews"].remove(preview)

    def _found(self, one: Any) -> None:
        return self._answer(200, one) if one else self._answer(404, {"message": "nothing"})

    def _answer(self, status: int, body: Any) -> None:
        payload = b"" if status == 204 else json.dumps(body).encode()
        with contextlib.suppress(OSError):  # who asked may have gone
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    def log_message(self, *arguments: object) -> None:
        pass


def _attachments(files: Files) -> list[dict[str, Any]]:
    return [
        {"id": str(uuid.uuid4()), "name": name, "size": len(content)} for _, name, content in files
    ]


def _parts(kind: str, body: bytes) -> tuple[dict[str, str], Files]:
    """The text fields and the files of a request."""
    if kind.startswith("application/json"):
        return json.loads(body or b"{}"), []
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)), []
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    fields, files = {}, []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is None:
            fields[name] = content.decode()
        else:
            files.append((name, part.get_filename(), content))
    return fields, files


@contextlib.contextmanager
def model_kitsu() -> Iterator[ModelKitsu]:
    with ModelKitsu() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            for token in list(server.held):
                server.decide(token, "cut")
            server.shutdown()
            thread.join()
