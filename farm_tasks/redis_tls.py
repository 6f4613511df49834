"""TLS on the way to Redis: whom to trust and what to show, from settings and address alike.

kombu takes what an address says of TLS instead of the configuration, Celery's result backend beside
it, and redis-py before version 6 does not look at the name in a certificate. So the address is
parted here from what it says, and both ways get the same dict.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_MUST_BE = {
    "ssl_cert_reqs": {"required", "cert_required"},
    "ssl_check_hostname": {"true", "1", "yes"},
}


def check_address(url: str) -> None:
    """See that an address does not turn off what makes TLS worth having.

    Raises:
        ValueError: it does, or it says something of TLS that is not known here.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"}:
        return
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if not name.startswith("ssl"):
            continue
        if parts.scheme == "redis":
            raise ValueError(f"{name} in an address without TLS: write rediss:// in front")
        if name in _MUST_BE and value.lower() not in _MUST_BE[name]:
            raise ValueError(
                f"{name} would turn off the check of Redis's certificate: leave it out, and set "
                "FARM_TASKS_REDIS_CA_FILE for a CA of your own"
            )
        if name not in _MUST_BE.keys() | _FILES:
            raise ValueError(
                f"{name[:40]} is not known: set the FARM_TASKS_REDIS_..._FILE variables"
            )


def divide(
    url: str, ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> tuple[str, dict[str, Any] | None]:
    """Part an address from what it says of TLS.

    Args:
        url: An address that :func:`check_address` has seen.
        ca_file: The certificates to trust, in PEM; the system's by default.
        cert_file: The certificate to show, in PEM, with its key unless that is elsewhere.
        key_file: Its key.

    Returns:
        The address, and what redis-py takes for a connection by TLS; None for one without.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url, None
    query = parse_qsl(parts.query, keep_blank_values=True)
    options: dict[str, Any] = {name: value for name, value in query if name in _FILES}
    files = {
        "ssl_ca_certs": ca_file,
        "ssl_certfile": cert_file,
        "ssl_keyfile": key_file or cert_file,
    }
    options |= {name: str(file) for name, file in files.items() if file is not None}
    options |= {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    rest = urlencode([(name, value) for name, value in query if not name.startswith("ssl")])
    return parts._replace(query=rest).geturl(), options


def problem(error: BaseException) -> str | None:
    """What to set, if ``error`` or what caused it is about TLS; else None."""
    for cause in _causes(error):
        text = str(cause)
        if "certificate verify failed" in text:
            if "Hostname mismatch" in text or "IP address mismatch" in text:
                return (
                    "The certificate of Redis is for another host. Give the name that is in it in "
                    "FARM_TASKS_BROKER_URL and FARM_TASKS_RESULT_BACKEND."
                )
            return (
                "The certificate of Redis is not trusted. Set FARM_TASKS_REDIS_CA_FILE to the file "
                "of the CA that has signed it."
            )
        if isinstance(cause, ssl.SSLError) or "[SSL" in text:
            return (
                "TLS with Redis failed. If it asks for a certificate, set "
                "FARM_TASKS_REDIS_CERT_FILE and FARM_TASKS_REDIS_KEY_FILE to one that it knows; if "
                "it does not speak TLS, write redis:// in place of rediss://."
            )
    return None


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
