from __future__ import annotations

import json

from farm_tasks.errors import DiskFull, Rejected
from farm_tasks.states import FAILURE, QUEUED, REVOKED, SUCCESS
from farm_tasks.submit import Group, Submission
from tests.cli.command_line import run
from tests.cli.records import store, submitted


def failed(file_path: str = "/show/SQ01_SH010_v001.mp4") -> str:
    one = submitted(file_path)
    store(one, FAILURE, Rejected("no\x1b[2J"))
    return one


def states_of(*ids: str) -> list[str]:
    return [Submission(one).state for one in ids]


def test_submissions_are_retried_by_their_ids(farm: dict[str, str]) -> None:
    one, cancelled, other = failed("/show/a\x1b.mp4"), submitted(), failed()
    store(cancelled, REVOKED, {"exc_type": "TaskRevokedError", "exc_message": ["cancelled"]})
    done = run("retry", one, cancelled, env=farm)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{one} is queued again: a\\x1b.mp4"
    assert states_of(one, cancelled, other) == [QUEUED, QUEUED, FAILURE]


def test_what_cannot_be_retried_says_why_and_does_not_stop_the_rest(farm: dict[str, str]) -> None:
    done, one = submitted(), failed()
    store(done, SUCCESS, {})
    ran = run("retry", done, "no-such-id", one, env=farm)
    assert ran.returncode == 3
    assert "has ended well" in ran.stderr
    assert "no-such-id" in ran.stderr
    assert states_of(done, one) == [SUCCESS, QUEUED]
    assert run("retry", done, env=farm).returncode == 2


def test_all_that_failed_is_retried_in_the_order_of_submission(farm: dict[str, str]) -> None:
    first, second, cancelled, waiting = failed(), failed(), submitted(), submitted()
    store(cancelled, REVOKED, {"exc_type": "TaskRevokedError", "exc_message": ["cancelled"]})
    done = run("retry", "--failed", env=farm)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [first, second]
    assert states_of(first, second, cancelled, waiting) == [QUEUED, QUEUED, REVOKED, QUEUED]
    again = run("retry", "--failed", env=farm)
    assert (again.returncode, again.stdout) == (0, "Nothing failed.\n")


def test_a_limit_takes_the_newest(farm: dict[str, str]) -> None:
    first, second = failed(), failed()
    assert run("retry", "--failed", "--limit", "1", env=farm).returncode == 0
    assert states_of(first, second) == [FAILURE, QUEUED]


def test_a_dry_run_says_what_and_why_and_changes_nothing(farm: dict[str, str]) -> None:
    one = failed()
    done = run("retry", "--failed", "--dry-run", env=farm)
    assert done.stdout == f"{one} would be queued again: SQ01_SH010_v001.mp4: no\\x1b[2J\n"
    assert states_of(one) == [FAILURE]


def test_the_failed_members_of_a_group_are_retried(farm: dict[str, str]) -> None:
    one, other, outside = failed(), submitted(), failed()
    group = Group.of([Submission(one), Submission(other)])
    done = run("retry", "--group", group.id, env=farm)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [one]
    assert states_of(one, other, outside) == [QUEUED, QUEUED, FAILURE]


def test_ids_failed_and_group_exclude_each_other(farm: dict[str, str]) -> None:
    for arguments in ([], ["an-id", "--failed"], ["--failed", "--group", "an-id"]):
        assert run("retry", *arguments, env=farm).returncode == 2


def test_a_retried_submission_is_listed_watched_and_shown_as_before(farm: dict[str, str]) -> None:
    one = failed()
    run("retry", one, env=farm)
    [listed] = [json.loads(line) for line in run("list", "--json", env=farm).stdout.splitlines()]
    [shown] = [json.loads(run("status", one, "--json", env=farm).stdout)]
    assert listed == shown
    assert (shown["state"], shown["error"], shown["ended"]) == (QUEUED, None, None)
    assert shown["file"] == "/show/SQ01_SH010_v001.mp4"
    watched = run("watch", one, "--timeout", "0.1", env=farm)
    assert watched.returncode == 75
    assert "queued" in watched.stdout
    store(one, FAILURE, DiskFull("full"))
    assert run("watch", one, env=farm).returncode == 5
