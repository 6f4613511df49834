from __future__ import annotations

import json

from farm_tasks.errors import NotAllowed, ServerUnavailable
from farm_tasks.states import FAILURE, PROGRESS, REVOKED, SUCCESS, cancel_key
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import redis_client
from farm_tasks.submit.group import Group
from farm_tasks.transfer.progress import Progress
from tests.cli.command_line import run
from tests.cli.records import store, submitted


def test_a_running_submission_is_shown_with_all_its_figures(farm: dict[str, str]) -> None:
    one = submitted()
    progress = Progress(
        bytes_read=12_300_000, total=29_400_000, stage="downloading", rate=11_200_000.0, eta=2.0,
        file="/show/SQ01_SH010_v001.mp4", attempt=2,
    )  # fmt: skip
    store(one, PROGRESS, progress.to_dict())
    done = run("status", one, env=farm)
    assert done.returncode == 0
    for shown in (
        *(one, "download_preview_file", "PROGRESS (downloading)", "/show/SQ01_SH010_v001.mp4"),
        *("41.8 %, 12.3/29.4 MB", "11.2 MB/s", "0:02", "attempt    2"),
    ):
        assert shown in done.stdout


def test_a_failed_submission_gives_its_reason_and_its_exit_code(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, FAILURE, NotAllowed("The bot may\x1b[2J not."))
    done = run("status", one, env=farm)
    assert done.returncode == 4
    assert "The bot may\\x1b[2J not." in done.stdout


def test_several_are_shown_and_the_worst_counts(farm: dict[str, str]) -> None:
    good, temporary, queued = submitted(), submitted(), submitted()
    store(good, SUCCESS, {})
    store(temporary, FAILURE, ServerUnavailable("502"))
    assert run("status", good, queued, env=farm).returncode == 0
    assert run("status", good, temporary, queued, env=farm).returncode == 75
    done = run("status", temporary, "no-such-id", good, "--json", env=farm)
    assert done.returncode == 3
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [temporary, good]
    assert "no-such-id" in done.stderr


def test_json_has_the_error_in_parts(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, FAILURE, ServerUnavailable("502", 3.0))
    printed = json.loads(run("status", one, "--json", env=farm).stdout)
    assert printed["error"] == {
        "type": "ServerUnavailable", "message": "502", "retryable": True, "exit_code": 75,
    }  # fmt: skip


def test_cancel_stops_what_has_not_ended(farm: dict[str, str]) -> None:
    waiting, ended = submitted(), submitted()
    store(ended, SUCCESS, {})
    done = run("cancel", waiting, ended, env=farm)
    assert done.returncode == 0
    assert redis_client().exists(cancel_key(waiting))
    assert not redis_client().exists(cancel_key(ended))
    assert "already ended" in done.stdout


def test_cancel_takes_a_group(farm: dict[str, str]) -> None:
    members = [submitted(), submitted()]
    group = Group.of([Submission(one) for one in members])
    assert run("cancel", "--group", group.id, env=farm).returncode == 0
    assert all(redis_client().exists(cancel_key(one)) for one in members)
    assert run("cancel", env=farm).returncode == 2


def test_a_cancelled_submission_is_no_success(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, REVOKED, {"exc_type": "TaskRevokedError", "exc_message": ["cancelled"]})
    assert run("status", one, env=farm).returncode == 5
