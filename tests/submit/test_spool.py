"""Requests that wait in a folder for the broker to come back."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import submit
from farm_tasks.arguments import LARGEST_MESSAGE
from farm_tasks.errors import BrokerUnavailable, FarmTasksError, InvalidArgument, NotConfigured
from farm_tasks.submit import claim, spool
from farm_tasks.submit.connection import redis_client
from tests.support.environment import environment_of
from tests.support.redis_server import free_port

ROOT = Path(__file__).resolve().parents[2]
TASK = "11111111-1111-4111-8111-111111111111"
STATUS = "22222222-2222-4222-8222-222222222222"

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


def write(folder: Path, path: str = "/projects/a.blend", **options: Any) -> Path:
    given = {"working_file": TASK, "file_path": path}
    return spool.write(folder, "upload_working_file", given, **options)


def put(folder: Path, content: object = None, **changes: Any) -> Path:
    """A file under a request's name, as anybody can make one."""
    fields = {
        "farm_tasks": 1, "function": "upload_working_file", "key": f"spool:{uuid.uuid4()}",
        "arguments": {"working_file": TASK, "file_path": "/a"}, "priority": "normal",
        "farm_job": None, "made": 1.0, **changes,
    }  # fmt: skip
    path = folder / f"20260101T000000Z-{uuid.uuid4()}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(fields))
    return path


def messages(variables: Mapping[str, str]) -> list[str]:
    """The ids of all messages in the queues."""
    with redis_client().__class__.from_url(variables["FARM_TASKS_BROKER_URL"]) as client:
        keys = [key for key in client.keys("farm_tasks*") if client.type(key) == b"list"]
        found = [json.loads(one) for key in keys for one in client.lrange(key, 0, -1)]
    return [one["headers"]["id"] for one in found]


def test_a_request_waits_as_a_whole_file_and_becomes_its_submission(
    folder: Path, alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUE_JOB", "show-sh010-comp")
    before = os.umask(0o077)
    try:
        path = write(folder, key="deadline:7", priority="high")
    finally:
        os.umask(before)
    assert path.parent == folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert messages(alone) == []
    # Whoever flushes belongs to another job.
    monkeypatch.setenv("CUE_JOB", "the flusher's own")
    (entry,) = spool.flush(folder)
    record = submit.Submission.load(str(entry.submission_id)).record()
    assert record.arguments == {"working_file": TASK, "file_path": "/projects/a.blend"}
    assert (record.key, record.priority) == ("deadline:7", "high")
    assert record.farm_job == "show-sh010-comp"
    assert messages(alone) == [record.id]
    assert list(folder.iterdir()) == []


def test_without_a_farm_job_it_is_not_given_to_that_of_the_flusher(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    monkeypatch.setenv("FARM_TASKS_FARM_JOB", "the flusher's own")
    (entry,) = spool.flush(folder)
    assert submit.Submission.load(str(entry.submission_id)).record().farm_job is None


def test_paths_are_those_of_the_writer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: dict[str, str]
) -> None:
    (tmp_path / "paths.toml").write_text("[p]\nlinux = '/projects'\nwindows = 'P:'")
    monkeypatch.chdir(tmp_path)
    with environment_of({**alone, "FARM_TASKS_PATH_MAP": str(tmp_path / "paths.toml")}):
        write(folder, "a.blend")
        write(folder, "P:\\b.blend")
    write(folder, "Q:\\c.blend")
    monkeypatch.chdir("/")
    ids = [str(entry.submission_id) for entry in spool.flush(folder)]
    paths = [submit.Submission.load(one).record().arguments["file_path"] for one in ids]
    assert paths == [str(tmp_path / "a.blend"), "/projects/b.blend", "Q:\\c.blend"]


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        ("recent", {}, {}),
        ("Group", {}, {}),
        ("__getattr__", {}, {}),
        ("upload_working_file", {"working_file": TASK}, {}),
        ("upload_working_file", {"working_file": "x", "file_path": "/a"}, {}),
        ("upload_working_file", {"working_file": TASK, "file_path": 7}, {}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a", "more": 1}, {}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a", "key": "k"}, {}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a" * 70_000}, {}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a"}, {"key": ""}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a"}, {"priority": "x"}),
        ("upload_working_file", {"working_file": TASK, "file_path": "/a"}, {"farm_job": "a\nb"}),
    ],
)
def test_what_could_never_be_submitted_is_refused_at_once(
    folder: Path, function: str, arguments: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument):
        spool.write(folder, function, arguments, **options)
    assert list(folder.iterdir()) == []


def test_every_function_that_submits_can_be_spooled(folder: Path) -> None:
    from farm_tasks import functions

    spool.write(
        folder, "publish",
        {"task": "demo/SQ01/SH010/comp", "previews": ["/a.mov"], "comment": "x", "playlist": None},
    )  # fmt: skip
    spool.write(
        folder, "batch_comments",
        {"comments": [{"task_id": TASK, "preview_files": ["/p.png"], "text": "x"}]},
    )  # fmt: skip
    spool.write(folder, "publish_preview", {"task": {"id": TASK}, "task_status": STATUS})
    assert [entry.reason for entry in spool.flush(folder)] == [None] * 3
    for name in functions.ALL:
        assert callable(getattr(submit, name))


def test_what_a_farms_own_python_has_written_is_a_request(folder: Path) -> None:
    from farm_tasks.farms import client

    publish = {"task": "demo/SQ01/SH010/comp", "previews": ["/projects/a.mov"]}
    client.write(str(folder), publish, "tractor:7", "low", "comp SH010")
    client.write(str(folder), {**publish, "previews": "P:\\a.mov"})
    entries = list(spool.flush(folder))
    assert [entry.reason for entry in entries] == [None, None]
    records = [submit.Submission.load(str(one.submission_id)).record() for one in entries]
    (named,) = [one for one in records if one.key == "tractor:7"]
    assert (named.function, named.priority, named.farm_job) == ("publish", "low", "comp SH010")


def test_a_folder_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for missing in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(NotConfigured, match="FARM_TASKS_SPOOL"):
            write(missing)
        with pytest.raises(NotConfigured, match="FARM_TASKS_SPOOL"):
            list(spool.flush(missing))
    assert not (tmp_path / "gone").exists()


def test_two_requests_with_one_key_are_one_submission(folder: Path) -> None:
    write(folder, key="k")
    first = submit.upload_working_file(TASK, "/projects/a.blend", key="k")
    write(folder, key="k")
    assert [entry.submission_id for entry in spool.flush(folder)] == [first.id] * 2


def test_requests_go_out_in_the_order_in_which_they_came(folder: Path) -> None:
    paths = [f"/projects/{number}" for number in (3, 1, 2)]
    for path in paths:
        write(folder, path)
    entries = list(spool.flush(folder))
    assert [one.request and one.request.arguments["file_path"] for one in entries] == paths


BROKEN = [
    ("no JSON at all", {}),
    ("[]", {}),
    ("{}", {}),
    ("[" * 100_000, {}),
    ('{"made": NaN}', {}),
    (None, {"farm_tasks": 0}),
    (None, {"farm_tasks": True}),
    (None, {"farm_tasks": "2"}),
    (None, {"more": 1}),
    (None, {"function": "system"}),
    (None, {"function": "recent"}),
    (None, {"function": ["upload_working_file"]}),
    (None, {"arguments": []}),
    (None, {"arguments": {"working_file": TASK}}),
    (None, {"arguments": {"working_file": "x", "file_path": "/a"}}),
    (None, {"arguments": {"working_file": TASK, "file_path": "relative"}}),
    (None, {"arguments": {"working_file": TASK, "file_path": {"a": 1}}}),
    (None, {"arguments": {"working_file": TASK, "file_path": "/a", "key": "other"}}),
    (None, {"function": "batch_comments", "arguments": {"comments": [{"preview_files": "p"}]}}),
    (None, {"function": "batch_comments", "arguments": {"comments": [7]}}),
    (None, {"function": "publish", "arguments": {"task": TASK, "previews": ["/a"], "logo": "b"}}),
    (None, {"function": "publish", "arguments": {"task": TASK}}),
    (None, {"key": None}),
    (None, {"key": "a\nb"}),
    (None, {"priority": "urgent"}),
    (None, {"priority": []}),
    (None, {"farm_job": "\x1b[31m"}),
    (None, {"made": "now"}),
    (None, {"made": 1e400}),
]


def test_what_is_broken_goes_aside_with_its_reason_and_stops_nothing(
    folder: Path, alone: Mapping[str, str]
) -> None:
    broken = [put(folder, content, **changes).name for content, changes in BROKEN]
    good = write(folder)
    entries = {entry.file: entry for entry in spool.flush(folder)}
    assert entries[good.name].submission_id
    for name in broken:
        assert entries[name].failed, entries[name]
        assert entries[name].reason == (folder / "failed" / f"{name}.reason").read_text().strip()
        assert (folder / "failed" / name).exists()
    assert len(messages(alone)) == 1
    assert [one.name for one in folder.iterdir()] == ["failed"]
    assert {entry.file for entry in spool.waiting(folder)} == set(broken)


def test_what_a_newer_version_wrote_waits_for_it_and_stops_nothing(
    folder: Path, alone: Mapping[str, str]
) -> None:
    told = {
        put(folder, farm_tasks=2, sizes=[1]).name: "field farm_tasks",
        put(folder, farm_tasks=10**400).name: "field farm_tasks",
        put(folder, arguments={"working_file": TASK, "file_path": "/a", "tint": 1}).name: "'tint'",
    }
    good = write(folder)
    for _ in range(2):
        for entry in spool.flush(folder):
            reason = told.get(entry.file)
            if reason is None:
                assert (entry.file, entry.reason) == (good.name, None)
            else:
                assert not entry.failed
                assert reason in str(entry.reason)
                assert "upgrade what flushes the spool" in str(entry.reason)
    assert len(messages(alone)) == 1
    assert {one.name for one in folder.iterdir()} == set(told)
    assert {one.file for one in spool.waiting(folder) if one.reason and not one.failed} == set(told)


def test_nothing_but_regular_files_of_its_own_size_is_read(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(put(tmp_path).read_text())
    names = [f"20260101T000000Z-{uuid.uuid4()}.json" for _ in range(5)]
    (folder / names[0]).symlink_to(secret)
    os.mkfifo(folder / names[1])
    (folder / names[2]).mkdir()
    large = put(folder)
    large.write_text(large.read_text() + " " * LARGEST_MESSAGE)
    large.rename(folder / names[3])
    with (folder / names[4]).open("wb") as huge:
        huge.truncate(2**40)
    entries = list(spool.flush(folder))
    assert sorted(entry.file for entry in entries) == sorted(names)
    assert all(entry.failed for entry in entries)
    assert secret.exists()
    assert (folder / "failed" / names[0]).is_symlink()


def test_other_files_are_left_alone(folder: Path) -> None:
    others = ["README.txt", "package.json", ".nfs0001", "20260101T000000Z-1.json"]
    for name in others:
        (folder / name).write_text("{}")
    assert list(spool.flush(folder)) == []
    assert sorted(one.name for one in folder.iterdir()) == sorted(others)


def test_a_failed_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "failed").symlink_to(elsewhere)
    broken = put(folder, "{}")
    with pytest.raises(FarmTasksError, match="symbolic link"):
        list(spool.flush(folder))
    assert list(elsewhere.iterdir()) == []
    assert broken.exists()


def test_what_cannot_be_removed_is_not_submitted(folder: Path, alone: Mapping[str, str]) -> None:
    # It would be submitted again for ever: each time that it fails.
    write(folder)
    program = (
        "import os\n"
        "from farm_tasks.errors import FileUnreadable\n"
        "from farm_tasks.submit import spool\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: list(spool.flush('.'))\n"
        "except FileUnreadable as error: print('DENIED', error)\n"
    )
    for one in [folder, *folder.iterdir()]:
        one.chmod(0o555 if one.is_dir() else 0o444)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False, capture_output=True, text=True, cwd=folder,
        env={**os.environ, **alone, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    folder.chmod(0o755)
    assert "DENIED" in done.stdout, done.stderr
    assert messages(alone) == []
    assert len(list(folder.glob("*.json"))) == 1


def test_half_written_files_are_not_read_and_go_when_they_are_old(folder: Path) -> None:
    new, old = (folder / f".20260101T000000Z-{uuid.uuid4()}.json.part" for _ in range(2))
    new.write_text("{")
    old.write_text("{")
    os.utime(old, (1, 1))
    assert list(spool.flush(folder)) == []
    assert [one.name for one in folder.iterdir()] == [new.name]


def test_a_broker_that_goes_away_in_the_middle_leaves_the_rest(
    folder: Path, alone: Mapping[str, str]
) -> None:
    for number in range(3):
        write(folder, f"/projects/{number}")
    flushing = spool.flush(folder)
    next(flushing)
    away = {name: f"redis://127.0.0.1:{free_port()}/0" for name in alone}
    with environment_of(away), pytest.raises(BrokerUnavailable):
        next(flushing)
    assert len(spool.waiting(folder)) == 2
    with environment_of(away), pytest.raises(BrokerUnavailable):
        list(spool.flush(folder))
    assert [entry.failed for entry in spool.waiting(folder)] == [False, False]
    assert len([entry for entry in spool.flush(folder) if entry.submission_id]) == 2
    assert len(messages(alone)) == 3


def test_a_flusher_whose_own_settings_are_wrong_refuses_nobody(
    folder: Path, alone: Mapping[str, str], tmp_path: Path
) -> None:
    write(folder)
    for name, value in (
        ("FARM_TASKS_PATH_MAP", str(tmp_path / "gone")),
        ("FARM_TASKS_RESULT_DAYS", "soon"),
    ):
        wrong = {**alone, name: value}
        with environment_of(wrong), pytest.raises(NotConfigured, match=name):
            list(spool.flush(folder))
    assert [entry.failed for entry in spool.waiting(folder)] == [False]


_KILLED = """
import json, os, sys
from farm_tasks.folder import Folder
from farm_tasks.submit import claim, queueing, spool

def deadly(function, after):
    calls = []
    def call(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            if after: function(*args, **kwargs)
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call

claim.PATIENCE = 0
for step, moment in json.loads(sys.argv[2]):
    child = os.fork()
    if not child:
        where = queueing.message if step == "send" else Folder
        setattr(where, step, deadly(getattr(where, step), moment == "after"))
        for entry in spool.flush(sys.argv[1]): pass
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Flushers, each killed at its second request, before or after a step."""


def test_a_flusher_that_is_killed_at_any_step_loses_nothing_and_doubles_nothing(
    folder: Path, alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds that a submitter waits for another one's message: that one is dead here.
    monkeypatch.setattr(claim, "PATIENCE", 0)
    keys = [f"job:{number}" for number in range(9)]
    for number, key in enumerate(keys):
        write(folder, f"/projects/{number}", key=key)
    steps = [("replace", "after"), ("send", "before"), ("send", "after"), ("unlink", "after")]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), json.dumps(steps)],
        check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **alone},
    )  # fmt: skip
    assert done.stdout.split() == ["-9"] * len(steps)
    assert len(list(spool.flush(folder))) == 4
    records = submit.recent(100)
    assert sorted(record.key or "" for record in records) == sorted(keys)
    assert set(messages(alone)) == {record.id for record in records}
    assert list(folder.iterdir()) == []


def test_many_writers_and_flushers_at_once_submit_each_request_once(
    folder: Path, alone: Mapping[str, str]
) -> None:
    written: list[Path] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def writer(number: int) -> None:
        written.extend(write(folder, f"/projects/{number}/{one}") for one in range(10))

    def flusher() -> None:
        try:
            while not done.is_set():
                list(spool.flush(folder))
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=writer, args=(number,)) for number in range(4)]
    flushers = [threading.Thread(target=flusher) for _ in range(3)]
    for thread in (*flushers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in flushers:
        thread.join()
    list(spool.flush(folder))
    assert errors == []
    paths = [record.arguments["file_path"] for record in submit.recent(1000)]
    assert len(paths) == len(set(paths)) == len(written) == 40
    assert len(set(messages(alone))) == 40


def test_names_say_when_and_never_clash(folder: Path) -> None:
    names = [write(folder).name for _ in range(3)]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f-]{36}\.json", one) for one in names)
    assert names == sorted(names)
