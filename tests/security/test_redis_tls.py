"""Redis by TLS, with a CA of the studio's own, users and client certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from farm_tasks import queues, submit
from farm_tasks.errors import Denied, NotConfigured, OutsideRoots
from farm_tasks.settings import settings
from farm_tasks.states import result_key
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import redis_client, sender
from tests.support.discarding_kitsu import WORKING_FILE, DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.tls import Authority, TLSForwarder, server_context, tls_forwarder
from tests.support.waiting import wait_until
from tests.support.worker import Worker, running_worker

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
PASSWORDS = {"farm-worker": "wörk/er:p@ss#1", "farm-submitter": "sub%mit er?2"}


@dataclass(frozen=True)
class Studio:
    """A Redis that is reached by TLS only, with a client certificate, by the users of the docs."""

    redis: RedisServer
    road: TLSForwarder
    authority: Authority
    kitsu: DiscardingKitsu
    worker: Worker
    folder: Path
    client: tuple[Path, Path]

    def variables(
        self, user: str, password: str | None = None, host: str = "localhost"
    ) -> dict[str, str]:
        return variables(self.road, self.authority, self.client, user, password, host)


def variables(
    road: TLSForwarder,
    authority: Authority,
    client: tuple[Path, Path],
    user: str,
    password: str | None = None,
    host: str = "localhost",
) -> dict[str, str]:
    address = f"rediss://{user}:{quote(password or PASSWORDS[user], safe='')}@{host}:{road.port}"
    return {
        "FARM_TASKS_BROKER_URL": f"{address}/0",
        "FARM_TASKS_RESULT_BACKEND": f"{address}/1",
        "FARM_TASKS_REDIS_CA_FILE": str(authority.certificate),
        "FARM_TASKS_REDIS_CERT_FILE": str(client[0]),
        "FARM_TASKS_REDIS_KEY_FILE": str(client[1]),
    }


def let_in(server: RedisServer) -> None:
    """Make the users as the documentation says, and nobody else."""
    lines = re.findall(r"^user (\S+) (.*)$", SECURITY.read_text(), re.MULTILINE)
    assert {name for name, _ in lines} == set(PASSWORDS)
    with server.client(0) as client:
        for name, rules in lines:
            given = [
                f">{PASSWORDS[name]}" if rule.startswith(">") else rule for rule in rules.split()
            ]
            assert client.execute_command("ACL", "SETUSER", name, "reset", *given)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    authority = Authority(folder / "ca")
    client = authority.issue("farm")
    context = server_context(authority.issue("redis", "DNS:localhost"), authority.certificate)
    files = folder / "files"
    files.mkdir()
    with (
        running_redis(folder / "redis") as server,
        tls_forwarder(server.port, context) as road,
        discarding_kitsu() as kitsu,
    ):
        let_in(server)
        environment = {
            **variables(road, authority, client, "farm-worker"),
            **kitsu.environment(),
            "FARM_TASKS_READ_ROOTS": str(files),
            "FARM_TASKS_WRITE_ROOTS": str(files),
        }
        # With mingle and gossip, as studios run it: they need their share of rights as well.
        with running_worker(folder / "worker", environment, concurrency=1, alone=False) as worker:
            yield Studio(server, road, authority, kitsu, worker, files, client)


def new_file(studio: Studio, size: int) -> str:
    path = studio.folder / f"{size}.blend"
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def refusals(studio: Studio) -> set[tuple[bytes, bytes]]:
    """What Redis denied since the last look."""
    with studio.redis.client(0) as client:
        found = client.execute_command("ACL", "LOG", 50)
        client.execute_command("ACL", "LOG", "RESET")
    entries = [dict(zip(one[::2], one[1::2], strict=True)) for one in found]
    denied = {(one[b"username"], one[b"object"]) for one in entries}
    # redis-py introduces itself and does not mind if it may not.
    return {(user, what) for user, what in denied if what != b"client"}


def test_the_whole_road_works_by_tls_with_the_rights_of_the_docs(studio: Studio) -> None:
    studio.kitsu.serve(0, rate=4_000_000)
    with environment_of(studio.variables("farm-submitter")):
        submission = submit.upload_working_file(WORKING_FILE, new_file(studio, 6_000_000))
        seen = list(submission.watch(60))
        assert submission.wait(60)["size"] == 6_000_000
        assert len({one.bytes_read for one in seen}) > 2
        assert Submission.load(submission.id).state == "SUCCESS"
        assert submission.id in {one.id for one in submit.recent()}
        cancelled = submit.upload_working_file(WORKING_FILE, new_file(studio, 50_000_000))
        for progress in cancelled.watch(60):
            if progress.bytes_read:
                cancelled.cancel()
        assert cancelled.state == "REVOKED"
        studio.kitsu.serve(0)
        cancelled.retry()
        assert cancelled.wait(60)["size"] == 50_000_000
        small = new_file(studio, 10)
        keyed = submit.upload_working_file(WORKING_FILE, small, key="deadline:1")
        keyed.wait(60)
        assert submit.upload_working_file(WORKING_FILE, small, key="deadline:1") == keyed
        studio.kitsu.serve(10)
        for priority in queues.PRIORITIES:  # each of them in each queue
            submit.upload_working_file(WORKING_FILE, small, priority=priority).wait(60)
            large = new_file(studio, 9_000_000)
            submit.upload_working_file(WORKING_FILE, large, priority=priority).wait(60)
            target = str(studio.folder / f"{priority}.blend")
            submit.download_working_file(WORKING_FILE, target, priority=priority).wait(60)
            # That it can be submitted is what counts: there are no frames.
            frames = submit.publish(WORKING_FILE, frames="/no.####.exr", fps=24, priority=priority)
            with pytest.raises(OutsideRoots):
                frames.wait(60)
            plain = sender().send_task(
                "farm_tasks.upload_working_file", [WORKING_FILE, small], queue=queues.DEFAULT,
                priority=queues.priority_number(priority),
            )  # fmt: skip
            wait_until(lambda plain=plain: redis_client().exists(result_key(plain.id)), 20)
            Submission.load(plain.id).wait(60)
        group = submit.Group.of([submission, cancelled])
        assert len(submit.Group.load(group.id).submissions) == 2
        assert (group.progress().files_done, len(group.wait(20))) == (2, 2)
        assert list(group.watch(20))[-1].percent == 100.0
        running = submit.upload_working_file(WORKING_FILE, new_file(studio, 5_000_000))
        following = submit.Group.of([submission, running])
        assert [one.files_done for one in following.watch(60)][-1] == 2
        assert submit.recent(states={"SUCCESS"})
    studio.kitsu.serve(0)
    assert not refusals(studio)
    assert studio.road.served > 4
    assert "CERT" not in studio.worker.log.read_text().replace("FARM_TASKS_REDIS_CERT_FILE", "")


def as_submitter(studio: Studio, database: int = 0) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1", port=studio.redis.port, db=database,
        username="farm-submitter", password=PASSWORDS["farm-submitter"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "KEYS *", "CONFIG GET dir", "CONFIG SET dir /tmp", "ACL LIST", "SHUTDOWN",
        "MODULE LIST", "MONITOR", "DEBUG SLEEP 0", "SAVE", "REPLICAOF NO ONE", "SCAN 0",
        "RANDOMKEY", "CLIENT LIST", "CLIENT KILL TYPE normal",
        # Messages are not taken, and what belongs to other programs is not touched.
        "RPOP farm_tasks", "RPOP farm_tasks.uploads", "BRPOP farm_tasks.small 1",
        "LRANGE celery 0 -1", "HGETALL farm_tasks.unacked",
        "ZADD farm_tasks.unacked_index 0 x", "LPUSH celery x", "GET other", "SET other x",
        # Nor are the workers told what to do.
        "PUBLISH /0.celery.pidbox x", "SUBSCRIBE /0.celery.pidbox", "PSUBSCRIBE *",
        "EVAL return(redis.call('GET','other')) 0",
    ],
)  # fmt: skip
def test_a_submitter_may_not_do_more_than_it_needs(command: str, studio: Studio) -> None:
    with as_submitter(studio) as client, pytest.raises(redis.ResponseError, match=r"perm|access"):
        client.execute_command(*command.split(" "))
    refusals(studio)


def test_a_wrong_password_is_said_and_not_told(studio: Studio) -> None:
    with (
        environment_of(studio.variables("farm-submitter", "hunter2-sekret")),
        pytest.raises(Denied, match="FARM_TASKS_BROKER_URL") as caught,
    ):
        submit.upload_working_file(WORKING_FILE, new_file(studio, 10))
    assert "sekret" not in str(caught.value)


def test_a_wrong_password_of_the_broker_alone_is_said_and_leaves_no_record(studio: Studio) -> None:
    given = studio.variables("farm-submitter")
    wrong = studio.variables("farm-submitter", "hunter2-sekret")
    given["FARM_TASKS_BROKER_URL"] = wrong["FARM_TASKS_BROKER_URL"]
    with environment_of(given):
        before = {one.id for one in submit.recent()}
        with pytest.raises(Denied, match="FARM_TASKS_BROKER_URL") as caught:
            submit.upload_working_file(WORKING_FILE, new_file(studio, 10))
        assert {one.id for one in submit.recent()} == before
    assert "sekret" not in str(caught.value)


def test_a_right_that_is_missing_is_said(studio: Studio) -> None:
    with environment_of(studio.variables("farm-submitter")):
        with studio.redis.client(0) as client:
            client.execute_command("ACL", "SETUSER", "farm-submitter", "-zadd")
        try:
            with pytest.raises(Denied, match=r"docs/security\.md"):
                submit.upload_working_file(WORKING_FILE, new_file(studio, 10))
        finally:
            let_in(studio.redis)
    refusals(studio)


def refused(given: dict[str, str], match: str) -> None:
    with environment_of(given), pytest.raises(NotConfigured, match=match):
        submit.recent()


def test_a_ca_that_has_not_signed_it_is_refused(studio: Studio, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").certificate
    given = studio.variables("farm-submitter")
    refused({**given, "FARM_TASKS_REDIS_CA_FILE": str(other)}, "not trusted.*REDIS_CA_FILE")
    del given["FARM_TASKS_REDIS_CA_FILE"]
    refused(given, "not trusted.*FARM_TASKS_REDIS_CA_FILE")


def test_a_certificate_for_another_host_is_refused(studio: Studio) -> None:
    given = studio.variables("farm-submitter", host="127.0.0.1")
    refused(given, "for another host.*FARM_TASKS_BROKER_URL")


def test_a_missing_client_certificate_is_named(studio: Studio, tmp_path: Path) -> None:
    given = studio.variables("farm-submitter")
    del given["FARM_TASKS_REDIS_CERT_FILE"], given["FARM_TASKS_REDIS_KEY_FILE"]
    refused(given, "FARM_TASKS_REDIS_CERT_FILE")
    strange = Authority(tmp_path / "strange").issue("strange")
    files = {"FARM_TASKS_REDIS_CERT_FILE": str(strange[0])}
    files["FARM_TASKS_REDIS_KEY_FILE"] = str(strange[1])
    refused(given | files, "FARM_TASKS_REDIS_CERT_FILE")


def test_what_the_address_says_of_files_counts_as_well(studio: Studio) -> None:
    given = studio.variables("farm-submitter")
    query = f"?ssl_ca_certs={given.pop('FARM_TASKS_REDIS_CA_FILE')}&ssl_cert_reqs=required"
    for name in ("FARM_TASKS_BROKER_URL", "FARM_TASKS_RESULT_BACKEND"):
        given[name] += query
    with environment_of(given):
        assert submit.upload_working_file(WORKING_FILE, new_file(studio, 10)).wait(60)
        given = {name: value.replace("localhost", "127.0.0.1") for name, value in given.items()}
    refused(given, "for another host")


def test_a_worker_with_a_wrong_ca_takes_nothing_and_says_why(
    studio: Studio, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").certificate
    given = studio.variables("farm-worker") | {"FARM_TASKS_REDIS_CA_FILE": str(other)}
    with running_worker(tmp_path, given, ready_when="certificate verify failed") as worker:
        log = worker.log.read_text()
    assert " ready." not in log
    assert PASSWORDS["farm-worker"] not in log
    assert quote(PASSWORDS["farm-worker"], safe="") not in log


@pytest.mark.parametrize("name", ["FARM_TASKS_BROKER_URL", "FARM_TASKS_RESULT_BACKEND"])
@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rediss://u:sekret@h:6380/0?ssl_cert_reqs=none", "turn off.*FARM_TASKS_REDIS_CA_FILE"),
        ("rediss://u:sekret@h:6380/0?ssl_cert_reqs=CERT_NONE", "turn off"),
        ("rediss://u:sekret@h:6380/0?ssl_cert_reqs=optional", "turn off"),
        ("rediss://u:sekret@h:6380/0?ssl_cert_reqs=", "turn off"),
        ("rediss://u:sekret@h:6380/0?ssl_check_hostname=False", "turn off"),
        ("rediss://u:sekret@h:6380/0?ssl_cert_reqs=required&ssl_cert_reqs=none", "turn off"),
        ("rediss://u:sekret@h:6380/0?ssl_ciphers=NULL", "ssl_ciphers is not known"),
        ("redis://u:sekret@h:6379/0?ssl_cert_reqs=required", "write rediss://"),
    ],
)
def test_the_check_is_not_turned_off_by_an_address(name: str, address: str, says: str) -> None:
    with environment_of({name: address}), pytest.raises(NotConfigured, match=says) as caught:
        settings()
    assert name in str(caught.value)
    assert "sekret" not in str(caught.value)


def test_files_that_cannot_work_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    for name in ("FARM_TASKS_REDIS_CA_FILE", "KITSU_CA_FILE", "KITSU_CLIENT_CERT_FILE"):
        with (
            environment_of({name: missing}),
            pytest.raises(NotConfigured, match=f"{name}.*missing"),
        ):
            settings()
    key = tmp_path / "key.pem"
    key.touch()
    for name in ("FARM_TASKS_REDIS_KEY_FILE", "KITSU_CLIENT_KEY_FILE"):
        with environment_of({name: str(key)}), pytest.raises(NotConfigured, match="to nothing"):
            settings()
    with (
        environment_of({"FARM_TASKS_REDIS_CA_FILE": str(key)}),
        pytest.raises(NotConfigured, match="without TLS"),
    ):
        settings()
