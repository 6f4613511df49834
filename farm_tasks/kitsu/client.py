"""One logged-in gazu client per process, and copies of it that move large files well."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import os
import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import gazu
import requests
from gazu.client import KitsuClient, default_client
from gazu.exception import AuthFailedException, GazuException, NotAuthenticatedException

from farm_tasks.errors import NotAuthenticated, NotConfigured
from farm_tasks.settings import Settings, settings
from farm_tasks.transfer.failures import from_status
from farm_tasks.transfer.progress import ProgressCallback
from farm_tasks.transfer.session import Limits, TransferAdapter, TransferSession

EXPIRY_MARGIN = 300.0
"""A token that ends within this many seconds is refreshed before a transfer begins."""


class _Process:
    """What belongs to one process: connections and logins do not survive a fork."""

    def __init__(self) -> None:
        self.adapter = TransferAdapter()
        self.client: KitsuClient | None = None
        self.lock = threading.Lock()


_process = _Process()


def _forget() -> None:
    global _process  # noqa: PLW0603 (the one place where a child lets go of its parent's sockets)
    _process = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def forget_client() -> None:
    """Log in anew at the next call: the settings or the credentials have changed."""
    _process.adapter.close()
    _forget()


def kitsu_client() -> KitsuClient:
    """The client of this process.

    It is the one that the settings describe; without ``KITSU_HOST``, it is gazu's own default
    client if the program has logged that in, as gazu's documentation does.

    Raises:
        NotConfigured: neither is there.
        NotAuthenticated: Kitsu does not accept the credentials.
        TemporaryFailure: Kitsu cannot be reached.
    """
    process = _process
    with process.lock:
        if process.client is None:
            wanted = settings()
            if wanted.kitsu_host is None and default_client and default_client.access_token:
                return default_client
            process.client = connect(wanted)
        return process.client


def connect(wanted: Settings) -> KitsuClient:
    """Make a client and log it in, with the bot's token or with login and password.

    Raises:
        As :func:`kitsu_client` does.
    """
    if not wanted.kitsu_host:
        raise NotConfigured("KITSU_HOST is not set: give the address of Kitsu.")
    client = KitsuClient(find_api(wanted.kitsu_host), use_refresh_token=True)
    client.session = TransferSession(adapter=_process.adapter)
    token = wanted.token()
    if token:
        client.access_token = token
        client.callback_not_authenticated = lambda again, _path: _read_token_again(again, wanted)
    elif wanted.login and wanted.password is not None:
        _log_in(client, wanted.login, wanted.password.get_secret_value())
        client.callback_not_authenticated = lambda again, _path: _log_in_again(again, wanted)
    else:
        raise NotConfigured(
            "Set KITSU_BOT_TOKEN or KITSU_BOT_TOKEN_FILE, or KITSU_LOGIN and KITSU_PASSWORD."
        )
    return client


def find_api(host: str) -> str:
    """The address of the API: people give it with and without ``/api``.

    Behind nginx the API is under ``/api`` and the bare address serves the web page; zou alone has
    no such prefix. So both are asked, and the one that answers with a version is taken.

    Raises:
        NotConfigured: neither is a Kitsu API.
        TemporaryFailure: the server cannot be reached.
    """
    host = host.strip().rstrip("/")
    if not host.startswith(("http://", "https://")):
        raise NotConfigured(
            f"KITSU_HOST {_without_user(host)!r} has no http:// or https:// in front."
        )
    try:
        urlsplit(host)
    except ValueError:
        raise NotConfigured("KITSU_HOST is not an address.") from None
    bare = host.removesuffix("/api")
    with TransferSession(adapter=_process.adapter) as session:
        for address in (f"{bare}/api", bare):
            try:
                answer = session.get(f"{address}/").json()
            except requests.JSONDecodeError:
                if session.refusal is not None and session.refusal.status >= 500:
                    raise from_status(session.refusal) from None
                continue
            if session.refusal is not None and session.refusal.status >= 500:
                raise from_status(session.refusal)
            if isinstance(answer, dict) and "version" in answer:
                return address
    raise NotConfigured(f"KITSU_HOST {_without_user(host)} answers, but not as a Kitsu API does.")


def _without_user(address: str) -> str:
    """The address without a name and password in it."""
    return re.sub(r"^(\w+://)?[^/]*@", r"\1", address)


def for_transfer(
    client: KitsuClient, progress: ProgressCallback | None, limits: Limits | None = None
) -> KitsuClient:
    """A copy of ``client`` whose session streams, resumes and reports to ``progress``.

    It shares the tokens, so that one refresh serves all, and leaves the given client untouched.
    """
    twin = copy.copy(client)
    session = TransferSession(progress, adapter=_process.adapter, limits=limits)
    session.verify = client.session.verify
    session.cert = client.session.cert
    session.proxies = client.session.proxies
    session.auth = client.session.auth
    session.trust_env = client.session.trust_env
    session.cookies = client.session.cookies
    # A studio's own, for the proxy in front of Kitsu; what asks for a plain body stays ours.
    session.headers.update({**client.session.headers, "Accept-Encoding": "identity"})
    twin.session = session
    return twin


def session_of(client: KitsuClient) -> TransferSession:
    """The session that :func:`for_transfer` gave to ``client``."""
    assert isinstance(client.session, TransferSession)  # noqa: S101 (for the type checker)
    return client.session


def ensure_token(client: KitsuClient) -> None:
    """See that the token outlives the start of a transfer: Kitsu says 401 only after the headers.

    Raises:
        NotAuthenticated: it has expired and cannot be refreshed.
    """
    expiry = _expiry(client.access_token)
    if expiry is None or expiry > time.time() + EXPIRY_MARGIN:
        return
    if client.refresh_token and client.use_refresh_token:
        client.refresh_access_token()
    elif expiry <= time.time():
        again = client.callback_not_authenticated
        if again is None or not again(client, ""):
            raise NotAuthenticated(
                "The Kitsu token has expired. Give the worker a new one in KITSU_BOT_TOKEN."
            )


def _expiry(token: str | None) -> float | None:
    """The ``exp`` claim (RFC 7519 4.1.4), unverified: only the server can verify it."""
    try:
        payload = (token or "").split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


def _log_in(client: KitsuClient, login: str, password: str) -> None:
    visitor = copy.copy(client)
    visitor.tokens = {"access_token": None, "refresh_token": None}
    visitor.callback_not_authenticated = None
    try:
        gazu.log_in(login, password, client=visitor)  # type: ignore[no-untyped-call]
    except (AuthFailedException, NotAuthenticatedException) as error:
        raise NotAuthenticated(
            f"Kitsu does not accept KITSU_LOGIN {login} with KITSU_PASSWORD ({error})."
        ) from error
    except GazuException as error:
        refusal = session_of(client).refusal
        if refusal is None:
            raise
        raise from_status(refusal) from error
    # In place: the copies made for running transfers share this dict.
    client.tokens.update(visitor.tokens)


def _read_token_again(client: KitsuClient, wanted: Settings) -> bool:
    """Take a token that was put into its file since, without a restart of all workers."""
    token = wanted.token()
    if token == client.access_token:
        return False
    client.tokens["access_token"] = token
    return True


def _log_in_again(client: KitsuClient, wanted: Settings) -> bool:
    if not wanted.login or wanted.password is None:
        return False
    _log_in(client, wanted.login, wanted.password.get_secret_value())
    return True
