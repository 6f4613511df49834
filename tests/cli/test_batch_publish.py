"""``batch publish`` where nobody works: what it submits, says and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from farm_tasks.cli.batch import batch
from farm_tasks.submit import Group
from tests.cli.command_line import Terminal, run

SHOTS = ("SH010", "SH020")


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """A folder with a picture for each shot and a list of them, as Excel writes it."""
    rows = ["\ufefftask;file;status;comment"]
    for shot in SHOTS:
        (tmp_path / f"SQ01_{shot}_comp_v003.png").write_bytes(b"x" * 1000)
        rows.append(f'demo/SQ01/{shot}/comp;SQ01_{shot}_comp_v003.png;wfa;"hot,\nhot"')
    rows.append("demo/SQ01/SH030/comp;gone.png;wfa;")
    (tmp_path / "list.csv").write_text("\r\n".join(rows), encoding="utf-8")
    return tmp_path


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(
    farm: dict[str, str], review: Path
) -> None:
    done = run("batch", "publish", str(review / "list.csv"), "--dry-run", env=farm)
    assert done.returncode == 3, "a file is missing"
    lines = done.stdout.splitlines()
    assert lines[1].split() == [
        "2", "to", "publish", "demo/SQ01/SH010/comp", "1", "1.0", "kB", "SQ01_SH010_comp_v003.png",
    ]  # fmt: skip
    assert "FileMissing" in lines[3]
    assert "2 of 3 rows to publish" in done.stdout
    assert Group.recent() == []


def test_what_it_submits_is_what_the_rows_say(farm: dict[str, str], review: Path) -> None:
    command = ("batch", "publish", str(review / "list.csv"), "--no-watch", "--person", "Ada")
    done = run(*command, env=farm)
    assert done.returncode == 3
    records = Group.load(done.stdout.strip()).records()
    assert [one.arguments["task"] for one in records] == [f"demo/SQ01/{one}/comp" for one in SHOTS]
    assert records[0].arguments["previews"] == [str(review / "SQ01_SH010_comp_v003.png")]
    assert records[0].arguments["comment"] == "hot,\nhot"
    assert records[0].arguments["person"] == "Ada"

    again = Group.load(run(*command, env=farm).stdout.strip())
    assert [one.id for one in again.submissions] == [one.id for one in records]
    anew = Group.load(run(*command, "--again", env=farm).stdout.strip())
    assert not {one.id for one in anew.submissions} & {one.id for one in records}


def test_a_folder_is_published_by_the_names_in_it(farm: dict[str, str], review: Path) -> None:
    pattern = f"{review}/{{sequence}}_{{shot}}_{{task_type}}_v{{revision}}.png"
    done = run("batch", "publish", "--folder", pattern, "--project", "demo", "--no-watch", env=farm)
    assert done.returncode == 0, done.stderr
    records = Group.load(done.stdout.strip()).records()
    assert [(one.arguments["task"], one.arguments["revision"]) for one in records] == [
        (f"demo/SQ01/{shot}/comp", 3) for shot in SHOTS
    ]


def test_revisions_in_the_names_of_a_folder_are_not_published_again(
    farm: dict[str, str], review: Path
) -> None:
    pattern = f"{review}/{{sequence}}_{{shot}}_{{task_type}}_v{{revision}}.png"
    done = run("batch", "publish", "--folder", pattern, "--project", "demo", "--again", env=farm)
    assert done.returncode == 2
    assert done.stdout.count("{any} for {revision}") == len(SHOTS)
    assert Group.recent() == []


def test_with_a_range_the_folder_may_have_other_frames(
    farm: dict[str, str], tmp_path: Path
) -> None:
    for number in (1001, 1002, 2001):
        (tmp_path / f"SH010.{number}.exr").write_bytes(b"x")
    command = (
        "batch", "publish", "--folder", f"{tmp_path}/{{shot}}.{{frame:1###}}.exr", "--fps", "24",
        "--project", "demo", "--sequence", "SQ01", "--task-type", "comp", "--dry-run",
    )  # fmt: skip
    refused = run(*command, env=farm)
    assert refused.returncode == 2
    assert "SH010.2001.exr" in refused.stdout
    assert run(*command, "--range", "1001-1002", env=farm).returncode == 0


def test_what_the_names_in_a_folder_do_not_tell_is_an_option(
    farm: dict[str, str], tmp_path: Path
) -> None:
    for number in (1001, 1002):
        (tmp_path / f"SH010.{number}.exr").write_bytes(b"x")
    done = run(
        "batch", "publish", "--folder", f"{tmp_path}/{{shot}}.{{frame}}.exr", "--fps", "24",
        "--project", "demo", "--sequence", "SQ01", "--task-type", "comp", "--no-watch", env=farm,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = Group.load(done.stdout.strip()).records()
    assert record.arguments["task"] == "demo/SQ01/SH010/comp"
    assert record.arguments["frames"] == f"{tmp_path}/SH010.####.exr"
    assert record.queue == "farm_tasks.media"


def test_control_c_leaves_the_batch_running_and_says_how_to_come_back(
    farm: dict[str, str], review: Path
) -> None:
    report = review / "report.json"
    command = ("batch", "publish", str(review / "list.csv"), "--report", str(report))
    with Terminal(*command, env=farm) as terminal:
        terminal.read_until("0 of 2 done")
        terminal.press_control_c()
        assert terminal.end() == 130
        assert "watch --group" in terminal.text
        assert "same command again" in terminal.text
    rows = json.loads(report.read_text())
    assert [(one["row"], one["state"], one["exit_code"]) for one in rows] == [
        (2, "queued", None), (3, "queued", None), (4, "refused", 3),
    ]  # fmt: skip
    ((group, _made),) = Group.recent()
    assert [one.id for one in Group.load(group).submissions] == [
        one["submission_id"] for one in rows[:2]
    ]


def test_without_redis_nothing_is_submitted_and_the_report_says_so(review: Path) -> None:
    report = review / "report.csv"
    done = run(
        "batch", "publish", str(review / "list.csv"), "--report", str(report),
        env={"FARM_TASKS_BROKER_URL": "redis://127.0.0.1:1/0",
             "FARM_TASKS_RESULT_BACKEND": "redis://127.0.0.1:1/1"},
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert report.read_text().count("not submitted") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either a LIST or --folder"),
        (("list.csv", "--report", "report.txt"), ".csv"),
        (("/nowhere/list.csv",), "does not exist"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(arguments: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(batch, ["publish", *arguments])
    assert message in f"{done.output}{done.exception}"
