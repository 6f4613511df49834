from __future__ import annotations

import inspect
import json
from pathlib import Path

import click
import pytest

from farm_tasks import submit as functions
from farm_tasks.cli.submit import submit
from farm_tasks.errors import EntityNotFound
from farm_tasks.states import FAILURE, QUEUED, SUCCESS
from farm_tasks.submit import record
from tests.cli.command_line import Terminal, run, started
from tests.cli.records import store

ID = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
NAMES = [name for name in functions.__all__ if name[0].islower() and name != "recent"]
CONTEXT = click.Context(click.Command("submit"))


def test_there_is_a_command_for_each_function() -> None:
    assert submit.list_commands(CONTEXT) == NAMES
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_a_command_takes_all_that_its_function_takes(name: str) -> None:
    command = submit.get_command(CONTEXT, name)
    assert command is not None
    given = {parameter.name: parameter for parameter in command.params}
    signature = inspect.signature(getattr(functions, name)).parameters
    assert list(given) == [*signature, "wait", "watch", "as_json"]
    for parameter in signature.values():
        is_required = parameter.default is inspect.Parameter.empty
        assert isinstance(given[parameter.name], click.Argument) == is_required
    assert command.help


def test_it_prints_the_id_alone(farm: dict[str, str]) -> None:
    done = run("submit", "download_preview_file", ID, "/show/a.mp4", env=farm)
    assert (done.returncode, done.stderr) == (0, "")
    submitted = record.read(done.stdout.strip())
    assert submitted.state == QUEUED
    assert submitted.function == "download_preview_file"
    assert submitted.arguments == {"preview_file": ID, "file_path": "/show/a.mp4"}


def test_every_kind_of_option_reaches_the_message(farm: dict[str, str], tmp_path: Path) -> None:
    checklist = tmp_path / "checklist.json"
    checklist.write_text('[{"text": "lens flare", "checked": true}]')
    done = run(
        "submit", "publish-preview", ID, OTHER, "--comment", "not an id: text", "--person", ID,
        "--attachments", "/a", "--attachments", "b", "--checklist", f"@{checklist}",
        "--preview-file-path", "shot.mp4", "--no-normalize-movie", "--set-thumbnail",
        "--revision", "7", env=farm,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    message = record.read(done.stdout.strip()).arguments
    here = Path.cwd()
    assert message["task"] == ID
    assert message["task_status"] == OTHER
    assert message["comment"] == "not an id: text"
    assert message["person"] == ID
    assert message["attachments"] == ["/a", str(here / "b")]
    assert message["checklist"] == [{"text": "lens flare", "checked": True}]
    assert message["preview_file_path"] == str(here / "shot.mp4")
    assert message["normalize_movie"] is False
    assert message["set_thumbnail"] is True
    assert message["revision"] == 7
    assert message["links"] is None


def test_the_same_key_prints_the_same_id(farm: dict[str, str]) -> None:
    command = ["submit", "download_preview_file", ID, "/show/a.mp4", "--key", "deadline:7:a"]
    first, second = run(*command, env=farm), run(*command, env=farm)
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert record.read(first.stdout.strip()).key == "deadline:7:a"
    other = run("submit", "set_avatar", ID, "/show/a.png", "--key", "deadline:7:a", env=farm)
    assert other.returncode == 2
    assert "belongs to submission" in other.stderr


def test_a_number_is_an_argument_too(farm: dict[str, str]) -> None:
    done = run("submit", "extract_frame_from_preview", ID, "12", "/a.png", "--json", env=farm)
    printed = json.loads(done.stdout)
    assert record.read(printed["id"]).arguments["frame_number"] == 12


@pytest.mark.parametrize(
    "arguments",
    [
        ["download_preview_file", "no-id", "/a"],
        ["download_preview_file", ID],
        ["extract_frame_from_preview", ID, "first", "/a"],
        ["batch_comments", "--comments", "{"],
        ["batch_comments", "--comments", '{"no": "list"}'],
        ["batch_comments", "--comments", "@/no/such/file"],
        ["download_preview_file", ID, "/a", "--key", ""],
        ["download_preview_file", ID, "/a", "--key", "two\nlines"],
    ],
)
def test_what_can_never_work_is_not_submitted(farm: dict[str, str], arguments: list[str]) -> None:
    done = run("submit", *arguments, env=farm)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert functions.recent() == []


def test_waiting_ends_with_the_outcome(farm: dict[str, str]) -> None:
    for state, result, code in (
        (SUCCESS, {"file_path": "/a"}, 0),
        (FAILURE, EntityNotFound("Kitsu has no such preview."), 3),
    ):
        with started("submit", "download_preview_file", ID, "/a", "--wait", env=farm) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            store(process.stdout.readline().strip(), state, result)
            assert process.wait(20) == code
            assert process.stdout.read() == ""
            said = process.stderr.read()
        assert said == ("" if code == 0 else "error: Kitsu has no such preview.\n")


def test_waiting_can_print_the_whole_outcome(farm: dict[str, str]) -> None:
    with started(
        "submit", "download_preview_file", ID, "/a", "--wait", "--json", env=farm
    ) as process:
        from tests.support.waiting import wait_until

        submission = wait_until(functions.recent, 20)[0]
        store(submission.id, SUCCESS, {"file_path": "/a"})
        assert process.wait(20) == 0
        assert process.stdout is not None
        printed = json.loads(process.stdout.read())
    assert printed["id"] == submission.id
    assert printed["result"] == {"file_path": "/a"}


def test_watching_shows_bars_beside_the_id(farm: dict[str, str]) -> None:
    with Terminal("submit", "download_preview_file", ID, "/a.mp4", "--watch", env=farm) as terminal:
        terminal.read_until(r"a\.mp4 .*queued")
        submission = functions.recent()[0]
        assert submission.id in terminal.text
        store(submission.id, SUCCESS, {})
        assert terminal.end() == 0


def test_priority_and_farm_job_are_said_and_shown(farm: dict[str, str]) -> None:
    said = ("--priority", "high", "--farm-job", "comp SH010")
    one = run("submit", "download_preview_file", ID, "/show/a.mp4", *said, env=farm).stdout.strip()
    card = run("status", one, env=farm).stdout
    assert "comp SH010" in card
    assert "farm_tasks.downloads, high priority" in card
    for command in (("status", one), ("list", "--limit", "1")):
        shown = json.loads(run(*command, "--json", env=farm).stdout)
        assert (shown["queue"], shown["priority"], shown["farm_job"]) == (
            "farm_tasks.downloads", "high", "comp SH010",
        )  # fmt: skip
    refused = run(
        "submit", "download_preview_file", ID, "/show/a.mp4", "--priority", "soon", env=farm
    )
    assert refused.returncode == 2
    assert "'high', 'normal', 'low'" in refused.stderr
