"""What ``farm-tasks publish`` takes, says and submits; no worker is needed for that."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import queues
from farm_tasks.states import SUCCESS
from farm_tasks.submit.record import read
from farm_tasks.transfer.progress import Progress
from tests.cli.command_line import COMMAND, environment, run
from tests.cli.records import store
from tests.support.redis_server import RedisServer, free_port

TASK = "demo/SQ01/SH010/compositing"


@pytest.fixture
def movie(tmp_path: Path) -> str:
    path = tmp_path / "comp_v003.mov"
    path.write_bytes(b"1")
    return str(path)


def submitted(*arguments: str, env: dict[str, str]) -> dict[str, Any]:
    """The arguments of what was submitted."""
    done = run("publish", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return read(done.stdout.strip()).arguments


def test_what_was_not_said_is_not_in_the_message(farm: dict[str, str], movie: str) -> None:
    assert submitted("--task", TASK, movie, "--status", "wfa", env=farm) == {
        "task": TASK,
        "previews": [movie],
        "task_status": "wfa",
        "revision": "auto",
        "wait_until_ready": True,
    }


def test_frames_are_submitted_as_their_pattern_to_workers_that_make_movies(
    farm: dict[str, str],
) -> None:
    options = ["--frames", "/p/beauty.####.exr", "--range", "1001-1100", "--fps", "23.976"]
    options += ["--burn-in", "shot", "--burn-in", "frame", "--slate", "--missing-frames", "hold"]
    done = run("publish", "--task", TASK, *options, env=farm)
    record = read(done.stdout.strip())
    assert record.queue == queues.MEDIA
    assert record.progress.file == "/p/beauty.####.exr"
    wanted = {
        "frames": "/p/beauty.####.exr",
        "frame_range": "1001-1100",
        "fps": "23.976",
        "missing_frames": "hold",
        "burn_in": ["shot", "frame"],
        "slate": True,
    }
    assert wanted.items() <= record.arguments.items()


def test_a_timeout_waits_and_to_wait_for_kitsu_is_another_matter(
    farm: dict[str, str], movie: str
) -> None:
    # No worker runs here.
    done = run("publish", "--task", TASK, movie, "--no-ready", "--timeout", "0.1", env=farm)
    assert done.returncode == 75
    assert read(done.stdout.strip()).arguments["wait_until_ready"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Say which task with --task."),
        (["--task", TASK], "There is nothing to publish"),
        (["--task", TASK, "--frames", "/p/a.####.exr"], "fps: say how many frames"),
        (["--task", TASK, "/p/a.mov", "--status", "wfa", "--quiet"], "--quiet keeps"),
        (["--task", TASK, "/p/a.mov", "--progress", "deadline"], "is not one of"),
        (["--task", TASK, "/p/a.mov", "--missing-frames", "skip"], "is not one of"),
    ],
)
def test_what_can_not_be_published_is_refused_before_anything_is_sent(
    arguments: list[str], told: str, farm: dict[str, str]
) -> None:
    done = run("publish", *arguments, env=farm)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def from_stdin(
    given: str, *arguments: str, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "publish", "--stdin", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(env),
        check=False,
    )


def test_arguments_may_come_as_json_and_options_win(farm: dict[str, str], movie: str) -> None:
    given = {"task": TASK, "previews": [movie], "task_status": "wip", "comment": 'Ünïcode "x"'}
    done = from_stdin(json.dumps(given), "--status", "wfa", env=farm)
    arguments = read(done.stdout.strip()).arguments
    assert (arguments["task_status"], arguments["comment"]) == ("wfa", given["comment"])
    quiet = from_stdin(json.dumps(given), "--quiet", env=farm)
    assert "task_status" not in read(quiet.stdout.strip()).arguments


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"task": "a/b/c/d", "previews": ["/x.mov"], "statsu": "wfa"}', "statsu"),
        ('{"task": "a/b/c/d", "previews": 7}', "previews"),
    ],
)
def test_json_that_says_nothing_useful_is_refused(
    given: str, told: str, farm: dict[str, str]
) -> None:
    done = from_stdin(given, env=farm)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_the_same_key_is_the_same_submission_and_tells_its_end(
    farm: dict[str, str], movie: str
) -> None:
    arguments = ["publish", "--task", TASK, movie, "--key", f"test:{uuid.uuid4()}"]
    first = run(*arguments, env=farm).stdout.strip()
    store(first, SUCCESS, {"revision": 3}, Progress(1, 1, file=movie))
    again = run(*arguments, "--wait", "--json", env=farm)
    assert again.returncode == 0
    told = json.loads(again.stdout)
    assert (told["id"], told["result"]) == (first, {"revision": 3})


def test_while_the_broker_is_away_a_request_is_kept_and_submitted_later_once(
    tmp_path: Path, movie: str, redis_server: RedisServer
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    nobody = f"redis://127.0.0.1:{free_port()}/"
    away = {"FARM_TASKS_BROKER_URL": f"{nobody}0", "FARM_TASKS_RESULT_BACKEND": f"{nobody}1"}
    job = {**away, "FARM_TASKS_SPOOL": str(spool), "FARM_TASKS_FARM_JOB": "comp SH010"}
    arguments = ["publish", "--task", TASK, movie, "--status", "wfa", "--wait"]
    kept = run(*arguments, env=job)
    assert kept.returncode == 75
    assert kept.stdout.startswith(f"spooled {spool}")
    assert "farm-tasks spool flush" in kept.stderr
    # The farm tries again: another file, the same request.
    assert run(*arguments, "--spooled-exit", "0", env=job).returncode == 0
    assert len(list(spool.glob("*.json"))) == 2

    back = {
        "FARM_TASKS_BROKER_URL": redis_server.url(0),
        "FARM_TASKS_RESULT_BACKEND": redis_server.url(1),
        "FARM_TASKS_SPOOL": str(spool),
    }
    flushed = run("spool", "flush", "--json", env=back)
    assert flushed.returncode == 0, flushed.stderr
    ids = {json.loads(line)["id"] for line in flushed.stdout.splitlines()}
    assert len(ids) == 1
    assert list(spool.glob("*.json")) == []
    # And once more when the broker is there: still the same.
    assert run(*arguments[:-1], env={**job, **back}).stdout.strip() in ids


def test_without_a_spool_a_broker_that_is_away_is_an_error_to_try_again_after(movie: str) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/"
    away = {"FARM_TASKS_BROKER_URL": f"{nobody}0", "FARM_TASKS_RESULT_BACKEND": f"{nobody}1"}
    done = run("publish", "--task", TASK, movie, env=away)
    assert (done.returncode, done.stdout) == (75, "")
    assert "Redis cannot be reached" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        {"previews": 5, "key": "k:{content}"},
        {"previews": [5], "key": "k:{content}"},
        {"frames": 5, "fps": "24", "key": "k:{content}"},
        {"previews": "/x.mov", "key": ["k:{content}"]},
    ],
)
def test_what_has_another_type_is_refused_and_not_a_traceback(
    given: dict[str, Any], farm: dict[str, str]
) -> None:
    done = from_stdin(json.dumps({"task": TASK, **given}), env=farm)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_json_that_is_nested_too_deep_is_refused(farm: dict[str, str]) -> None:
    done = from_stdin("[" * 100_000, env=farm)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_the_content_in_a_key_is_that_of_the_file_behind_the_map(
    farm: dict[str, str], tmp_path: Path
) -> None:
    mapping = tmp_path / "paths.toml"
    mapping.write_text(f'[projects]\nlinux = "{tmp_path}"\nwindows = "P:"\n')
    env = {**farm, "FARM_TASKS_PATH_MAP": str(mapping)}
    arguments = ["publish", "--task", TASK, "P:\\comp.mov", "--key", "k:{content}"]
    (tmp_path / "comp.mov").write_bytes(b"1")
    first = run(*arguments, env=env).stdout
    (tmp_path / "comp.mov").write_bytes(b"rendered again")
    assert run(*arguments, env=env).stdout != first != ""
