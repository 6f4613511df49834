"""Who may use Flower: those with a password; without any, browsers on this machine alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from farm_tasks.errors import NotConfigured

HOW = (
    "set FARM_TASKS_FLOWER_USERS_FILE to a file with a line `user:password` for each user, or "
    "FLOWER_BASIC_AUTH=user:password, or Flower's auth and auth_provider"
)


def users(path: Path) -> list[str]:
    """The users in a file, as Flower's ``basic_auth`` takes them.

    Args:
        path: ``user:password`` on each line; empty lines and those that begin with ``#`` are not
            counted.

    Raises:
        NotConfigured: it cannot be read, or a line is not usable. The message has no password.
    """
    where = f"FARM_TASKS_FLOWER_USERS_FILE {path}"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise NotConfigured(f"{where}: {error.strerror}") from error
    found = []
    for index, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            check(text, f"{where}, line {index}")
            found.append(text)
    if not found:
        raise NotConfigured(f"{where} holds no user: a line `user:password` for each is expected.")
    return found


def check(credential: str, where: str) -> None:
    """See that it is a user and a password that Flower can compare.

    Raises:
        NotConfigured: it is not.
    """
    user, _, password = credential.partition(":")
    if not user or not password or not credential.isascii():
        raise NotConfigured(f"{where}: `user:password` in ASCII is expected.")


def refusal(address: str, *, has_authentication: bool) -> str | None:
    """Why Flower must not listen on an address, or None if it may."""
    if has_authentication or is_loopback(address):
        return None
    shown = address or "every address of this machine"
    return (
        f"Flower would listen on {shown} without authentication: whoever reaches it could read "
        f"every path and stop every transfer. Use --address=127.0.0.1, or {HOW}."
    )


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without a port, means this machine and can mean no other."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_asked_for_here(host_header: str) -> bool:
    """Whether a request names this machine, rather than a name that was made to point to it.

    A page from elsewhere can have its own name resolve to 127.0.0.1 (DNS rebinding), and is then of
    the same origin as Flower; but its browser still says that name.
    """
    try:
        return is_loopback(urlsplit(f"//{host_header}").hostname or "")
    except ValueError:
        return False


def is_from_elsewhere(headers: Mapping[str, str], host_header: str) -> bool:
    """Whether a browser says that another site's page sent the request."""
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None and site not in {"same-origin", "none"}:
        return True
    try:
        return origin is not None and urlsplit(origin).netloc != host_header
    except ValueError:  # no browser sends that
        return True


def is_from_own_page(headers: Mapping[str, str], host_header: str) -> bool:
    """Whether a browser says that one of Flower's own pages sent the request."""
    if is_from_elsewhere(headers, host_header):
        return False
    return headers.get("Sec-Fetch-Site") == "same-origin" or headers.get("Origin") is not None


def check_all(basic_auth: Sequence[str] | None) -> None:
    """See that all users of Flower's ``basic_auth`` are usable.

    Raises:
        NotConfigured: an empty one, for instance, would let in everybody who sends nothing.
    """
    for credential in basic_auth or ():
        check(credential, "FLOWER_BASIC_AUTH or --basic-auth")
