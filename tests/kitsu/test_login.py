"""Many threads, one login: a token that ends is renewed once, and all go on with the new one."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gazu
import pytest

from farm_tasks.errors import FarmTasksError, NotAuthenticated, ServerUnavailable
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.client import ensure_token, kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.support.environment import environment_of

THREADS = 8
FILE = "5d1f2f4e-6f2b-4f4e-9d0a-0d6c0f5f5a11"


def token(number: int, seconds: float = 3600) -> str:
    claims = {"exp": time.time() + seconds, "number": number}
    coded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{coded}.signature"


class Kitsu(http.server.ThreadingHTTPServer):
    """What Kitsu does with tokens, and nothing else: the real one's live for a week.

    Attributes:
        valid: The access tokens that are accepted.
        refresh_status: What a refresh is answered with.
        refreshes, logins, refused: How often each was asked for, or answered.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.valid: set[str] = set()
        self.refresh_token = "refresh-0"
        self.refresh_status = 200
        self.login_status = 200
        self.lifetime = 3600.0
        self.complaint = "Signature has expired"
        self.refreshes = self.logins = self.refused = self.number = 0
        self.all_refused = threading.Barrier(THREADS)
        self.together = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def new_tokens(self) -> dict[str, str]:
        # As a Kitsu that rotates them: each may be used once.
        self.number += 1
        access = token(self.number, self.lifetime)
        self.valid = {access}
        self.refresh_token = f"refresh-{self.number}"
        return {"access_token": access, "refresh_token": self.refresh_token}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Kitsu

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.path in {"/api/", "/"}:
            self._answer(200, {"version": "1"})
        elif self.path.endswith("auth/refresh-token"):
            with self.server.lock:
                self.server.refreshes += 1
                known = given == self.server.refresh_token
                status = self.server.refresh_status if known else 401
                tokens: dict[str, str] = self.server.new_tokens() if status == 200 else {}
            time.sleep(0.05)  # the others come meanwhile
            self._answer(status, tokens)
        elif given in self.server.valid:
            self._answer(200, {"id": FILE, "email": "bot"})
        else:
            self._refuse()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.path.endswith("auth/login"):
            with self.server.lock:
                self.server.logins += 1
                status = self.server.login_status
                tokens = self.server.new_tokens() if status == 200 else {}
            time.sleep(0.05)
            self._answer(status, {**tokens, "login": status == 200})
        elif given in self.server.valid:
            self._answer(201, {"id": FILE})
        else:
            self._refuse()

    def _refuse(self) -> None:
        with self.server.lock:
            self.server.refused += 1
        if self.server.together:  # so that all hear of it before one has a new one
            self.server.all_refused.wait(10)
        self._answer(401, {"message": self.server.complaint})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Kitsu]:
    with Kitsu() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def logged_in(server: Kitsu) -> Iterator[Kitsu]:
    variables = {"KITSU_HOST": server.url, "KITSU_LOGIN": "td@studio", "KITSU_PASSWORD": "secret"}
    with environment_of(variables):
        kitsu_client()
        assert server.logins == 1
        yield server


def at_once(call: Callable[[], Any]) -> list[Any]:
    """What eight threads get that begin together; their errors as values."""
    ready = threading.Barrier(THREADS)

    def one(_: int) -> Any:
        ready.wait()
        try:
            return call()
        except FarmTasksError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def ask() -> Any:
    with calling(None) as client:
        return gazu.client.get("data/user", client=client)["id"]


def check() -> str:
    with calling(None) as client:
        ensure_token(client)
        return str(client.access_token)


def test_a_token_that_ends_in_mid_batch_is_refreshed_once(logged_in: Kitsu) -> None:
    logged_in.valid, logged_in.together = set(), True
    assert at_once(ask) == [FILE] * THREADS
    assert logged_in.refused == THREADS
    assert (logged_in.refreshes, logged_in.logins) == (1, 1)


def test_so_it_is_for_uploads(logged_in: Kitsu, tmp_path: Path) -> None:
    sent = tmp_path / "a.blend"
    sent.write_bytes(b"blend")
    logged_in.valid, logged_in.together = set(), True
    results = at_once(lambda: operations.upload_working_file(FILE, str(sent)))
    assert results == [{"id": FILE}] * THREADS
    assert (logged_in.refreshes, logged_in.logins) == (1, 1)


def test_a_token_that_is_about_to_end_is_refreshed_once(logged_in: Kitsu) -> None:
    kitsu_client().access_token = token(0, seconds=10)
    tokens = at_once(check)
    assert set(tokens) == logged_in.valid
    assert (logged_in.refreshes, logged_in.logins) == (1, 1)


def test_a_renewed_token_that_ends_soon_as_well_is_renewed_again(logged_in: Kitsu) -> None:
    logged_in.lifetime = 10
    kitsu_client().access_token = token(0, seconds=10)
    for refreshes in (1, 2, 3):
        assert check() in logged_in.valid
        assert logged_in.refreshes == refreshes


@pytest.mark.parametrize("call", [ask, check])
def test_a_refresh_that_is_refused_leads_to_one_login(
    call: Callable[[], Any], logged_in: Kitsu
) -> None:
    logged_in.valid, logged_in.refresh_status = set(), 401
    kitsu_client().access_token = token(0, seconds=-1)
    assert not [one for one in at_once(call) if isinstance(one, Exception)]
    assert (logged_in.refreshes, logged_in.logins) == (1, 2)


def test_a_login_that_is_refused_is_tried_once(logged_in: Kitsu) -> None:
    """Five bad ones lock the account."""
    logged_in.valid, logged_in.together = set(), True
    logged_in.refresh_status = logged_in.login_status = 401
    results = at_once(ask)
    assert {type(one) for one in results} == {NotAuthenticated}
    assert "KITSU_PASSWORD" in str(results[0])
    assert (logged_in.refreshes, logged_in.logins) == (1, 2)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("call", [ask, check])
def test_a_refresh_that_fails_for_now_is_worth_another_try(
    call: Callable[[], Any], status: int, logged_in: Kitsu
) -> None:
    logged_in.valid, logged_in.refresh_status = set(), status
    kitsu_client().access_token = token(0, seconds=-1)
    results = at_once(call)
    assert all(isinstance(one, ServerUnavailable) for one in results)
    assert logged_in.logins == 1
    logged_in.refresh_status = 200
    before = logged_in.refreshes
    assert not isinstance(call(), Exception)
    assert logged_in.refreshes == before + 1


def test_a_login_that_fails_for_now_is_worth_another_try(logged_in: Kitsu) -> None:
    logged_in.valid, logged_in.together = set(), True
    logged_in.refresh_status, logged_in.login_status = 401, 503
    results = at_once(ask)
    assert {type(one) for one in results} == {ServerUnavailable}
    assert (logged_in.refreshes, logged_in.logins) == (1, 2)


@pytest.mark.parametrize("complaint", ["Signature has expired", "Token has been revoked"])
def test_a_bots_token_is_read_from_its_file_again(
    complaint: str, server: Kitsu, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(token(0))
    server.complaint, server.together = complaint, True
    with environment_of({"KITSU_HOST": server.url, "KITSU_BOT_TOKEN_FILE": str(file)}):
        kitsu_client()
        server.valid = {token(1)}
        file.write_text(next(iter(server.valid)))
        assert at_once(ask) == [FILE] * THREADS
    assert (server.refreshes, server.logins, server.refused) == (0, 0, THREADS)


def test_a_bots_token_that_is_refused_is_said_by_all(server: Kitsu, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("the.only.one")
    server.together = True
    with environment_of({"KITSU_HOST": server.url, "KITSU_BOT_TOKEN_FILE": str(file)}):
        results = at_once(ask)
    assert {type(one) for one in results} == {NotAuthenticated}
    assert not any("the.only.one" in repr(one) for one in results)
    assert server.refreshes == 0


def test_with_the_real_kitsu_a_token_that_is_refused_is_renewed_once(
    sandbox: SandboxInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_LOGIN": sandbox.login}
    with environment_of({**variables, "KITSU_PASSWORD": sandbox.password}):
        client = kitsu_client()
        asked = []
        get = gazu.client.KitsuClient.refresh_access_token
        monkeypatch.setattr(
            gazu.client.KitsuClient,
            "refresh_access_token",
            lambda one: asked.append(one) or get(one),
        )
        # Its own tokens live for a week: one that has ended cannot be had, but one that says so.
        client.access_token = token(0, seconds=-1)
        assert len(set(at_once(check))) == 1
        assert len(asked) == 1
        assert at_once(lambda: gazu.client.get_current_user(client=client)["email"]) == (
            [sandbox.login] * THREADS
        )
