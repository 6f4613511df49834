"""One logged-in gazu client per process, and copies of it that move large files well."""

from __future__ import annotations

import copy
import os
import threading
import time
from urllib.parse import urlsplit

import requests
from gazu.client import KitsuClient, default_client

from farm_tasks.errors import NotAuthenticated, NotConfigured
from farm_tasks.kitsu.login import SharedClient, expiry, log_in, read_token_again
from farm_tasks.settings import Settings, settings
from farm_tasks.transfer.failures import from_status
from farm_tasks.transfer.progress import ProgressCallback
from farm_tasks.transfer.session import Limits, TransferAdapter, TransferSession

EXPIRY_MARGIN = 300.0
"""A token that ends within this many seconds is refreshed before a transfer begins."""

_WITHOUT_CERTIFICATE = (
    " If the proxy in front of it asks for a certificate, set KITSU_CLIENT_CERT_FILE and "
    "KITSU_CLIENT_KEY_FILE."
)
"""nginx says 400 to who shows none."""


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
    host = find_api(wanted)
    token = wanted.token()
    if token:
        client = SharedClient(host, _session(wanted), lambda one: read_token_again(one, wanted))
        client.access_token = token
    elif wanted.login and wanted.password is not None:
        login, password = wanted.login, wanted.password.get_secret_value()

        def log_in_again(one: KitsuClient) -> bool:
            log_in(one, login, password)
            return True

        client = SharedClient(host, _session(wanted), log_in_again)
        log_in(client, login, password)
    else:
        raise NotConfigured(
            "Set KITSU_BOT_TOKEN or KITSU_BOT_TOKEN_FILE, or KITSU_LOGIN and KITSU_PASSWORD."
        )
    return client


def _session(wanted: Settings) -> TransferSession:
    """A session that trusts and shows what the settings say. :func:`for_transfer` copies that."""
    session = TransferSession(adapter=_process.adapter)
    if wanted.kitsu_ca_file is not None:
        session.verify = str(wanted.kitsu_ca_file)
    if wanted.kitsu_client_cert_file is not None:
        key = wanted.kitsu_client_key_file or wanted.kitsu_client_cert_file
        session.cert = (str(wanted.kitsu_client_cert_file), str(key))
    return session


def find_api(wanted: Settings) -> str:
    """The address of the API: people give it with and without ``/api``.

    Behind nginx the API is under ``/api`` and the bare address serves the web page; zou alone has
    no such prefix. So both are asked, and the one that answers with a version is taken.

    Raises:
        NotConfigured: neither is a Kitsu API.
        TemporaryFailure: the server cannot be reached.
    """
    host = (wanted.kitsu_host or "").strip().rstrip("/")
    if not host.startswith(("http://", "https://")):
        raise NotConfigured(f"KITSU_HOST {host!r} has no http:// or https:// in front.")
    try:
        urlsplit(host)
    except ValueError:
        raise NotConfigured("KITSU_HOST is not an address.") from None
    bare, hint = host.removesuffix("/api"), ""
    with _session(wanted) as session:
        for address in (f"{bare}/api", bare):
            try:
                answer = session.get(f"{address}/").json()
            except requests.JSONDecodeError:
                if session.refusal is not None and session.refusal.status >= 500:
                    raise from_status(session.refusal) from None
                if session.refusal is not None and session.refusal.status == 400:
                    hint = _WITHOUT_CERTIFICATE
                continue
            if session.refusal is not None and session.refusal.status >= 500:
                raise from_status(session.refusal)
            if isinstance(answer, dict) and "version" in answer:
                return address
    raise NotConfigured(f"KITSU_HOST {host} answers, but not as a Kitsu API does.{hint}")


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


def ensure_token(client: KitsuClient) -> None:
    """See that the token outlives the start of a transfer: Kitsu says 401 only after the headers.

    Raises:
        NotAuthenticated: it has expired and cannot be refreshed.
    """
    token = client.access_token
    ends_at = expiry(token)
    now = time.time()
    if ends_at is None or ends_at > now + EXPIRY_MARGIN:
        return
    can_refresh = bool(client.refresh_token and client.use_refresh_token)
    if not can_refresh and ends_at > now:
        return
    if isinstance(client, SharedClient):
        renewed = client.renew(may_refresh=True, refused=token)
    elif can_refresh:
        renewed = bool(client.refresh_access_token())
    else:
        again = client.callback_not_authenticated
        renewed = again is not None and bool(again(client, ""))
    if not renewed:
        raise NotAuthenticated(
            "The Kitsu token has expired. Give the worker a new one in KITSU_BOT_TOKEN."
        )
