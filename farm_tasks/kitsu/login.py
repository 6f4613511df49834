"""The login that the threads of a process share, and that one of them renews for all.

When a token ends in the middle of a batch, every slot hears of it at once. gazu would refresh it as
often as that, and what was refreshed first may be refused by then; or log in as often as that,
which locks the account.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import threading
from collections.abc import Callable
from typing import Any

import gazu
import requests
from gazu.client import KitsuClient
from gazu.exception import AuthFailedException, GazuException, NotAuthenticatedException

from farm_tasks.errors import BadResponse, NotAuthenticated
from farm_tasks.settings import Settings
from farm_tasks.transfer.failures import from_status
from farm_tasks.transfer.session import TransferSession


class _Renewals:
    """What the copies of a client have in common beside their tokens."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.sent = threading.local()
        self.ended = 0
        self.result = False
        self.error: Exception | None = None


class SharedClient(KitsuClient):
    """gazu's client, whose tokens are renewed by one thread at a time.

    The others wait and go on with what that has brought: the new token, or its failure.

    Args:
        host: The address of the API.
        log_in_again: Gets tokens in another way than by refreshing them, puts them into the client
            that it is called with, and says whether there were new ones.
    """

    def __init__(
        self,
        host: str,
        session: TransferSession,
        log_in_again: Callable[[KitsuClient], bool] | None = None,
    ) -> None:
        super().__init__(
            host,
            use_refresh_token=True,
            callback_not_authenticated=lambda client, _path: client.renew(may_refresh=False),
        )
        self.session.close()
        self.session = session
        self.log_in_again = log_in_again
        self._renewals = _Renewals()

    def make_auth_header(self) -> dict[str, str]:
        """gazu's, noting which token this thread sends."""
        self._renewals.sent.token = self.access_token
        return super().make_auth_header()

    def refresh_access_token(self) -> dict[str, str]:
        """Called by gazu when Kitsu says that the token has expired.

        Raises:
            NotAuthenticatedException: there is no other one to be had.
            FarmTasksError: as :meth:`renew` does.
        """
        if not self.renew(may_refresh=True):
            raise NotAuthenticatedException("auth/refresh-token")
        return self.tokens

    def renew(self, may_refresh: bool, refused: str | None = None) -> bool:
        """See that there is another token than the one that was refused.

        Args:
            may_refresh: Whether it has merely expired.
            refused: That token; the one that this thread has sent, by default.

        Returns:
            Whether there is one.

        Raises:
            NotAuthenticated: Kitsu does not accept the credentials any more.
            TemporaryFailure: Kitsu cannot say at the moment.
        """
        shared = self._renewals
        refused = refused or getattr(shared.sent, "token", None)
        ended = shared.ended
        with shared.lock:
            if self.access_token != refused:
                return True
            if shared.ended != ended:  # the one that was waited for has not brought one
                if shared.error is not None:
                    raise copy.copy(shared.error)
                return shared.result
            shared.error = None
            try:
                shared.result = self._renew(may_refresh)
            except Exception as error:
                shared.error = error
                raise
            finally:
                shared.ended += 1
            return shared.result

    def _renew(self, may_refresh: bool) -> bool:
        if may_refresh and self.refresh_token and self._refresh():
            return True
        return self.log_in_again is not None and self.log_in_again(self)

    def _refresh(self) -> bool:
        """Whether Kitsu gave a new token for the refresh token."""
        try:
            super().refresh_access_token()
        except GazuException as error:
            refusal = session_of(self).refusal
            if refusal is not None and refusal.status >= 500:
                raise from_status(refusal) from error
            return False
        except (KeyError, TypeError, requests.JSONDecodeError) as error:
            raise BadResponse(
                "The answer to a refresh of the token is none that Kitsu gives."
            ) from error
        return True


def session_of(client: KitsuClient) -> TransferSession:
    """The session that streams, where ours has been put."""
    assert isinstance(client.session, TransferSession)  # noqa: S101 (for the type checker)
    return client.session


def expiry(token: str | None) -> float | None:
    """The ``exp`` claim (RFC 7519 4.1.4), unverified: only the server can verify it."""
    try:
        payload = (token or "").split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return None


def log_in(client: KitsuClient, login: str, password: str) -> None:
    """Log in, and put the tokens where the copies of ``client`` have theirs.

    Raises:
        NotAuthenticated: Kitsu does not accept them.
        TemporaryFailure: Kitsu cannot say at the moment.
    """
    visitor = copy.copy(client)
    visitor.tokens = {"access_token": None, "refresh_token": None}
    visitor.callback_not_authenticated = None
    visitor.use_refresh_token = False
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


def read_token_again(client: KitsuClient, wanted: Settings) -> bool:
    """Take a token that was put into its file since, without a restart of all workers."""
    token = wanted.token()
    if token == client.access_token:
        return False
    client.tokens["access_token"] = token
    return True
