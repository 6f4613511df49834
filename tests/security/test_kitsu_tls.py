"""Kitsu by TLS, with a CA of the studio's own and client certificates, and redirects elsewhere."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm_tasks.errors import NotConfigured, PermanentFailure
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.transfer.session import TransferSession
from tests.servers import (
    Exchange,
    Handler,
    LoopbackServer,
    ServedFile,
    UploadSink,
    redirect,
    status,
)
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.environment import environment_of
from tests.support.tls import Authority, server_context, tls_forwarder

CONTENT = bytes(range(256)) * 12_000
BEARER = {"Authorization": "Bearer secret"}


@dataclass(frozen=True)
class Certificates:
    authority: Authority
    server: tuple[Path, Path]
    client: tuple[Path, Path]
    other: Path

    def context(self) -> ssl.SSLContext:
        return server_context(self.server, self.authority.certificate)

    def variables(self, port: int, host: str = "localhost") -> dict[str, str]:
        return {
            "KITSU_HOST": f"https://{host}:{port}",
            "KITSU_BOT_TOKEN": "a.bots.token",
            "KITSU_CA_FILE": str(self.authority.certificate),
            "KITSU_CLIENT_CERT_FILE": str(self.client[0]),
            "KITSU_CLIENT_KEY_FILE": str(self.client[1]),
        }


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder / "ca")
    return Certificates(
        authority,
        authority.issue("kitsu", "DNS:localhost"),
        authority.issue("worker"),
        Authority(folder / "other").certificate,
    )


@pytest.fixture(autouse=True)
def nothing_else_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


class Kitsu:
    """The little of it that a working file needs."""

    def __init__(self, served: ServedFile) -> None:
        self.served = served
        self.sink = UploadSink()

    def __call__(self, exchange: Exchange) -> None:
        assert exchange.headers.get("authorization") in {None, "Bearer a.bots.token"}
        if not exchange.target.endswith("/file"):
            status(200, {"version": "1"})(exchange)
        elif exchange.method == "GET":
            self.served(exchange)
        else:
            self.sink(exchange)


@pytest.fixture
def kitsu() -> Iterator[tuple[Kitsu, int]]:
    """It, and the port where it listens without TLS."""
    kitsu = Kitsu(ServedFile(CONTENT, cut_after=1_200_000))
    with LoopbackServer(kitsu) as server:
        yield kitsu, server.port


@pytest.mark.parametrize("beside", [None, "other"])
def test_a_file_goes_both_ways_and_resumes(
    beside: str | None,
    certificates: Certificates,
    kitsu: tuple[Kitsu, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the environment names another CA: requests alone would prefer that."""
    if beside is not None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.other))
    sent = tmp_path / "sent.blend"
    sent.write_bytes(CONTENT)
    ranges: list[str] = []
    kitsu[0].served.at_resume = lambda exchange: ranges.append(exchange.headers["range"])
    with (
        tls_forwarder(kitsu[1], certificates.context()) as road,
        environment_of(certificates.variables(road.port)),
    ):
        operations.upload_working_file(WORKING_FILE, str(sent))
        operations.download_working_file(WORKING_FILE, file_path=str(tmp_path / "back.blend"))
        assert kitsu_client().session.verify == str(certificates.authority.certificate)
        with calling(None) as twin:
            assert twin.session.verify == str(certificates.authority.certificate)
            assert twin.session.cert == tuple(map(str, certificates.client))
    assert kitsu[0].sink.uploads[0][0].content == CONTENT
    assert (tmp_path / "back.blend").read_bytes() == CONTENT
    assert len(ranges) >= 2


def test_the_ca_of_requests_will_do(
    certificates: Certificates, kitsu: tuple[Kitsu, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority.certificate))
    with tls_forwarder(kitsu[1], certificates.context()) as road:
        variables = certificates.variables(road.port)
        del variables["KITSU_CA_FILE"]
        with environment_of(variables):
            assert kitsu_client().host.startswith("https://localhost")


def refused(variables: dict[str, str], says: str) -> None:
    with environment_of(variables), pytest.raises(PermanentFailure, match=says) as caught:
        kitsu_client()
    assert not caught.value.retryable
    assert "a.bots.token" not in str(caught.value)


def test_what_cannot_be_trusted_is_final_and_names_the_setting(
    certificates: Certificates, kitsu: tuple[Kitsu, int], tmp_path: Path
) -> None:
    with tls_forwarder(kitsu[1], certificates.context()) as road:
        variables = certificates.variables(road.port)
        refused(
            variables | {"KITSU_CA_FILE": str(certificates.other)}, "verify failed.*KITSU_CA_FI"
        )
        without = {name: value for name, value in variables.items() if name != "KITSU_CA_FILE"}
        refused(without, "verify failed.*KITSU_CA_FILE")
        refused(certificates.variables(road.port, "127.0.0.1"), "mismatch.*KITSU_HOST")
        without = {name: value for name, value in variables.items() if "CLIENT" not in name}
        refused(without, "TLS failed.*KITSU_CLIENT_CERT_FILE")
        strange = Authority(tmp_path / "strange").issue("strange")
        names = ("KITSU_CLIENT_CERT_FILE", "KITSU_CLIENT_KEY_FILE")
        shown = dict(zip(names, map(str, strange), strict=True))
        refused(variables | shown, "TLS failed.*KITSU_CLIENT_CERT_FILE")


def test_an_nginx_that_asks_for_a_certificate_by_400_is_understood() -> None:
    said = "<html><center>No required SSL certificate was sent</center></html>"
    with (
        LoopbackServer(status(400, said)) as server,
        environment_of({"KITSU_HOST": server.url, "KITSU_BOT_TOKEN": "a.bots.token"}),
        pytest.raises(NotConfigured, match="KITSU_CLIENT_CERT_FILE"),
    ):
        kitsu_client()


@pytest.mark.parametrize("code", [307, 308])
@pytest.mark.parametrize("where", ["another port", "another name", "without TLS", "with TLS"])
@pytest.mark.parametrize("what", ["upload", "download", "resumed download"])
def test_a_redirect_elsewhere_does_not_carry_the_token(
    what: str, where: str, code: int, certificates: Certificates, tmp_path: Path
) -> None:
    sink, served = UploadSink(), ServedFile(CONTENT)
    if what == "resumed download":
        served.cut_after = 1_200_000
    given: list[str | None] = []

    def elsewhere(exchange: Exchange) -> None:
        given.append(exchange.headers.get("authorization"))
        (sink if what == "upload" else served)(exchange)

    context = server_context(certificates.server)
    with ExitStack() as stack:
        other = stack.enter_context(LoopbackServer(elsewhere))
        target = {"another name": f"http://localhost:{other.port}/x"}.get(where, f"{other.url}/x")
        if where == "with TLS":
            road = stack.enter_context(tls_forwarder(other.port, context))
            target = f"https://localhost:{road.port}/x"
        first: Handler = redirect(code, target)
        server = stack.enter_context(LoopbackServer(first))
        address = server.url
        if where == "without TLS":
            road = stack.enter_context(tls_forwarder(server.port, context))
            address = f"https://localhost:{road.port}"
        session = stack.enter_context(TransferSession())
        session.verify = str(certificates.authority.certificate)
        if what == "upload":
            path = tmp_path / "a.mov"
            path.write_bytes(CONTENT)
            with path.open("rb") as file:
                session.post(address, headers=BEARER, files={"file": file})
            assert sink.uploads[0][0].content == CONTENT
        else:
            answer = session.get(address, headers=BEARER, stream=True)
            assert b"".join(answer.iter_content()) == CONTENT
        assert server.last.headers["authorization"] == "Bearer secret"
    assert given == [None] * len(given)
    assert len(given) >= (3 if what == "resumed download" else 1)
