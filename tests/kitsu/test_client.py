"""Logging in, in every way that studios do it."""

from __future__ import annotations

import base64
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gazu
import pytest

from farm_tasks.errors import NotAuthenticated, NotConfigured, ServerUnavailable, Unreachable
from farm_tasks.kitsu.client import ensure_token, for_transfer, kitsu_client
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.settings import settings
from tests.support.environment import environment_of
from tests.support.redis_server import free_port


def logged_in_email() -> str:
    return str(gazu.client.get_current_user(client=kitsu_client())["email"])


def test_with_a_bots_token(sandbox: SandboxInfo) -> None:
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN": sandbox.bot_token}):
        assert gazu.client.get_current_user(client=kitsu_client())["id"] == sandbox.bot_id


def test_with_a_token_file_that_ends_in_a_line_break(sandbox: SandboxInfo, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(sandbox.bot_token + "\n")
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN_FILE": str(file)}):
        assert gazu.client.get_current_user(client=kitsu_client())["id"] == sandbox.bot_id


@pytest.mark.parametrize(
    ("host", "password"), [("KITSU_HOST", "KITSU_PASSWORD"), ("KITSU_SERVER", "KITSU_PWD")]
)
def test_with_login_and_password_under_both_names_in_use(
    host: str, password: str, sandbox: SandboxInfo
) -> None:
    variables = {host: sandbox.kitsu_host, "KITSU_LOGIN": sandbox.login, password: sandbox.password}
    with environment_of(variables):
        assert logged_in_email() == sandbox.login


def test_one_client_serves_the_whole_process(sandbox: SandboxInfo) -> None:
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN": sandbox.bot_token}):
        assert kitsu_client() is kitsu_client()


def test_a_wrong_password_says_which_settings_to_mend_and_does_not_tell_it(
    sandbox: SandboxInfo,
) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_LOGIN": "nobody@example.com"}
    with (
        environment_of({**variables, "KITSU_PASSWORD": "hunter2"}),
        pytest.raises(NotAuthenticated, match="KITSU_PASSWORD") as caught,
    ):
        kitsu_client()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        ({}, "KITSU_HOST is not set"),
        ({"KITSU_HOST": "kitsu.example"}, "no http:// or https://"),
        ({"KITSU_HOST": "http://127.0.0.1", "KITSU_BOT_TOKEN_FILE": "/nowhere"}, None),
    ],
)
def test_a_missing_setting_is_named(variables: dict[str, str], hint: str | None) -> None:
    if hint is None:
        variables = {**variables, "KITSU_HOST": f"http://127.0.0.1:{free_port()}"}
        with environment_of(variables), pytest.raises(Unreachable):
            kitsu_client()
        return
    with environment_of(variables), pytest.raises(NotConfigured, match=hint):
        kitsu_client()


def test_a_token_file_that_is_missing_is_named(sandbox: SandboxInfo) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN_FILE": "/nowhere/token"}
    with environment_of(variables), pytest.raises(NotConfigured, match="/nowhere/token"):
        kitsu_client()


class _BehindNginx(http.server.BaseHTTPRequestHandler):
    """The web page everywhere, the API under ``/api``, as kitsu-docker has it."""

    def do_GET(self) -> None:
        api = self.path.startswith("/api/")
        body = json.dumps({"api": "Zou", "version": "1"}).encode() if api else b"<html></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def behind_nginx() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _BehindNginx) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/"])
def test_the_host_is_found_with_and_without_api(suffix: str, behind_nginx: str) -> None:
    with environment_of({"KITSU_HOST": behind_nginx + suffix, "KITSU_BOT_TOKEN": "token"}):
        assert kitsu_client().host == f"{behind_nginx}/api"


@pytest.mark.parametrize("suffix", ["", "/", "/api"])
def test_the_host_is_found_where_there_is_no_api_prefix(suffix: str, sandbox: SandboxInfo) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host + suffix, "KITSU_BOT_TOKEN": sandbox.bot_token}
    with environment_of(variables):
        assert kitsu_client().host == sandbox.kitsu_host


class _Failing(http.server.BaseHTTPRequestHandler):
    """A proxy whose Kitsu restarts: HTML and 502; or, with a login, just there."""

    api_is_up = False

    def do_GET(self) -> None:
        self._answer(200 if self.api_is_up else 502, b'{"version": "1"}')

    def do_POST(self) -> None:
        self._answer(502, b"<html>Bad Gateway</html>")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        body = body if status == 200 else b"<html>Bad Gateway</html>"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("api_is_up", [False, True])
def test_a_kitsu_that_restarts_is_tried_again_and_not_called_misconfigured(
    api_is_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Failing, "api_is_up", api_is_up)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Failing) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        variables = {"KITSU_HOST": f"http://127.0.0.1:{server.server_port}"}
        variables |= {"KITSU_LOGIN": "a@example.com", "KITSU_PASSWORD": "secret"}
        with environment_of(variables), pytest.raises(ServerUnavailable, match="502"):
            kitsu_client()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("token", ["eyJsecret\nline2", "eyJsecret\u200b", "Bearer eyJsecret"])
def test_what_cannot_be_a_token_is_refused_without_telling_it(token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    for variables in ({"KITSU_BOT_TOKEN": token}, {"KITSU_BOT_TOKEN_FILE": str(file)}):
        with environment_of({**variables}), pytest.raises(NotConfigured) as caught:
            settings().token()
        assert "KITSU_BOT_TOKEN" in str(caught.value)
        assert "secret" not in repr(caught.value)


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token")
    variables = {"KITSU_HOST": "", "KITSU_SERVER": "http://kitsu", "KITSU_BOT_TOKEN": ""}
    variables |= {"KITSU_BOT_TOKEN_FILE": str(file), "FARM_TASKS_RETRY_SECONDS": ""}
    with environment_of(variables):
        assert settings().kitsu_host == "http://kitsu"
        assert settings().token() == "token"
        assert settings().retry_seconds == 12 * 3600


def test_a_token_that_was_put_into_its_file_since_is_taken(
    sandbox: SandboxInfo, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(token_until(time.time() - 1))
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN_FILE": str(file)}):
        client = kitsu_client()
        file.write_text(sandbox.bot_token)
        ensure_token(for_transfer(client, None))
        assert gazu.client.get_current_user(client=client)["id"] == sandbox.bot_id


def test_what_a_studio_set_on_its_client_goes_along(sandbox: SandboxInfo) -> None:
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN": sandbox.bot_token}):
        client = kitsu_client()
        client.session.headers["CF-Access-Client-Id"] = "studio"
        twin = for_transfer(client, None)
        assert twin.session.headers["cf-access-client-id"] == "studio"
        assert twin.session.headers["Accept-Encoding"] == "identity"


def token_until(expiry: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expiry}).encode()).decode().rstrip("=")
    return f"header.{claims}.signature"


def test_a_token_that_is_about_to_end_is_refreshed_before_a_transfer(sandbox: SandboxInfo) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_LOGIN": sandbox.login}
    with environment_of({**variables, "KITSU_PASSWORD": sandbox.password}):
        client = kitsu_client()
        client.access_token = token_until(time.time() + 10)
        ensure_token(for_transfer(client, None))
        assert logged_in_email() == sandbox.login


def test_an_expired_token_that_cannot_be_refreshed_leads_to_a_new_login(
    sandbox: SandboxInfo,
) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_LOGIN": sandbox.login}
    with environment_of({**variables, "KITSU_PASSWORD": sandbox.password}):
        client = kitsu_client()
        client.tokens["access_token"] = token_until(time.time() - 1)
        client.tokens["refresh_token"] = None
        ensure_token(for_transfer(client, None))
        assert logged_in_email() == sandbox.login


def test_an_expired_bots_token_is_refused_before_a_byte_is_sent(sandbox: SandboxInfo) -> None:
    variables = {"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN": token_until(time.time() - 1)}
    with environment_of(variables), pytest.raises(NotAuthenticated, match="expired"):
        ensure_token(for_transfer(kitsu_client(), None))


def test_a_child_process_logs_in_for_itself(sandbox: SandboxInfo) -> None:
    with environment_of({"KITSU_HOST": sandbox.kitsu_host, "KITSU_BOT_TOKEN": sandbox.bot_token}):
        parent = kitsu_client()
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, b"same" if kitsu_client() is parent else b"anew")
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        assert os.read(reading, 10) == b"anew"
        os.close(reading)
