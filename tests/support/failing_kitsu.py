"""A Kitsu that fails on demand, as the real one cannot be made to."""

from __future__ import annotations

import http.server
import json
import threading

SOME_ID = "00000000-0000-4000-8000-000000000000"


class FailingKitsu(http.server.ThreadingHTTPServer):
    """Answers each request with the next of ``answers``: a status, and headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.puts: list[tuple[int, dict[str, str]]] = []
        self.posts: list[str] = []
        self.looks: list[str] = []
        self.deletes: list[str] = []
        self.hold: threading.Event | None = None
        self.taken = 0
        self.meant = ""
        """How the paths end that get one of :attr:`answers`."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FailingKitsu

    def do_GET(self) -> None:
        self.server.looks.append(self.path)
        if self.path.endswith("/comments"):
            self._answer(200, [])
        elif self.path.endswith("/auth/authenticated"):
            self._answer(200, {"user": {"id": SOME_ID}})
        elif "/data/" in self.path:
            self._answer(
                200,
                {"id": SOME_ID, "previews": [], "original_name": None, "status": "ready"},
            )
        else:
            self._answer(200, {"version": "1.0.97"})

    def do_DELETE(self) -> None:
        self.server.deletes.append(self.path)
        self._answer(204, None)

    def do_POST(self) -> None:
        self.server.posts.append(self.path)
        left = int(self.headers["Content-Length"])
        while left:
            taken = len(self.rfile.read(min(left, 65536)))
            if not taken:
                return
            left -= taken
            self.server.taken += taken
            if self.server.hold is not None:
                self.server.hold.wait(0.05)
        is_meant = self.path.endswith(self.server.meant)
        answers = self.server.answers if is_meant else []
        status, headers = answers.pop(0) if answers else (201, {})
        self._answer(status, {"id": SOME_ID}, headers)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = self.server.puts.pop(0) if self.server.puts else (200, {})
        self._answer(status, {"id": SOME_ID}, headers)

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments: object) -> None:
        pass
