"""A batch as studios have them: some rows are good, and each of the others is wrong in its way."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gazu
import pytest

from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.cli.command_line import run
from tests.support.environment import environment_of
from tests.support.frames import exr_frames
from tests.support.media import movie, picture
from tests.support.waiting import wait_until
from tests.support.worker import Worker

SHOTS = 19
GOOD = SHOTS
MOST_SECONDS = 300


class Production(NamedTuple):
    name: str
    id: str
    tasks: dict[str, str]
    """Ids of the compositing tasks, by the shot's name."""


@pytest.fixture(scope="module")
def production(sandbox: SandboxInfo) -> Iterator[Production]:
    with environment_of(sandbox.environment()):
        client = kitsu_client()
        name = f"Mixed {uuid.uuid4().hex[:6]}"
        project = gazu.project.new_project(name, team=[sandbox.bot_id], client=client)
        sequence = gazu.shot.new_sequence(project, "SQ01", client=client)
        compositing = gazu.task.get_task_type_by_name("Compositing", "Shot", client=client)
        tasks = {}
        for shot in (f"SH{number:03}0" for number in range(1, SHOTS + 1)):
            entity = gazu.shot.new_shot(project, sequence, shot, client=client)
            tasks[shot] = gazu.task.new_task(entity, compositing, client=client)["id"]
        yield Production(name, project["id"], tasks)


@pytest.mark.chaos
def test_a_mixed_batch_puts_exactly_its_good_rows_into_kitsu(
    sandbox: SandboxInfo, kitsu_worker: Worker, kitsu: SandboxInfo, production: Production,
    projects: Path, tmp_path: Path,
) -> None:  # fmt: skip
    rows, wrong = _rows(sandbox, projects, tmp_path, iter(production.tasks))
    assert len(rows) == 30
    assert len(rows) - len(wrong) == GOOD
    batch, report = tmp_path / "batch.json", tmp_path / "report.json"
    batch.write_text(json.dumps(rows))
    command = (
        "batch", "publish", str(batch), "--project", production.name, "--fps", "24",
        "--report", str(report),
    )  # fmt: skip

    done = run(*command, env=sandbox.environment(), timeout=MOST_SECONDS)

    assert done.returncode == 5, done.stderr
    told = json.loads(report.read_text())
    assert [one["row"] for one in told] == list(range(1, 31))
    assert {one["row"]: (one["error_type"], one["exit_code"]) for one in told if one["error"]} == {
        row: (kind, code) for row, (kind, code, _words) in wrong.items()
    }
    for row, (_kind, _code, words) in wrong.items():
        assert words in told[row - 1]["error"]
        assert words in done.stdout
    good = [one for one in told if one["row"] not in wrong]
    assert {one["state"] for one in good} == {"done"}
    assert all(one["urls"] and one["submission_id"] and one["bytes"] for one in good)
    assert f"{GOOD} of 30 rows published" in done.stdout
    previews = _previews(production)
    expected = {production.tasks[one["target"].split("/")[2]]: len(one["files"]) for one in good}
    expected[production.tasks["SH0190"]] -= 1  # one of its files is an attachment
    assert {task: len(found) for task, found in previews.items()} == expected
    wait_until(lambda: _statuses(production) == {"ready"}, 30, every=0.2)
    assert _comments(production) == dict.fromkeys(production.tasks.values(), 1)

    # What is there is not published twice; what was wrong is tried again, and still is.
    again = run(*command, env=sandbox.environment(), timeout=MOST_SECONDS)
    assert again.returncode == 5
    assert _previews(production) == previews
    assert _comments(production) == dict.fromkeys(production.tasks.values(), 1)
    states = {one["row"]: one["state"] for one in json.loads(report.read_text())}
    assert {row for row, state in states.items() if state == "done before"} == {
        one["row"] for one in good
    }


def _previews(production: Production) -> dict[str, list[str]]:
    """The ids of all previews in Kitsu, by their tasks."""
    found: dict[str, list[str]] = {}
    for one in gazu.task.all_preview_files_for_project(
        {"id": production.id}, client=kitsu_client()
    ):
        found.setdefault(one["task_id"], []).append(one["id"])
    return found


def _statuses(production: Production) -> set[str]:
    previews = gazu.task.all_preview_files_for_project({"id": production.id}, client=kitsu_client())
    return {one["status"] for one in previews}


def _comments(production: Production) -> dict[str, int]:
    """How many comments each task has."""
    found = [
        one["object_id"]
        for one in gazu.task.all_comments_for_project({"id": production.id}, client=kitsu_client())
    ]
    return {task: found.count(task) for task in found}


def _rows(
    sandbox: SandboxInfo, folder: Path, elsewhere: Path, shots: Iterator[str]
) -> tuple[list[dict[str, Any]], dict[int, tuple[str, int, str]]]:
    """The rows; and of those that are wrong the error's type, its exit code and words of it."""
    still = picture(sandbox, folder / "still_v002.png", "160x90")
    film = movie(sandbox, folder / "film.mp4", 0.5, "160x90")
    whole = exr_frames(folder / "whole", count=4, size=(160, 90))
    holed = exr_frames(folder / "holed", count=4, size=(160, 90))
    (folder / "holed" / "beauty.1002.exr").unlink()
    (folder / "empty.png").touch()
    (folder / "note.tif").write_bytes(b"II*\0")
    with (folder / "huge.mov").open("wb") as huge:
        huge.truncate(10 * 1024**3 + 1)

    def on(shot: str, **columns: Any) -> dict[str, Any]:
        return {"sequence": "SQ01", "shot": shot, "task_type": "compositing", **columns}

    good = [on(next(shots), file=str(still), status="wfa", ready=False) for _ in range(15)]
    good += [
        on(next(shots), files=[str(still), str(still)], comment="two pictures"),
        on(next(shots), file=str(film), thumbnail="last"),
        on(next(shots), frames=whole),
        on(next(shots), file=str(still), revision="from-name", attachments=str(film)),
    ]
    outside = picture(sandbox, elsewhere / "outside.png", "160x90")
    wrong = [
        (on("SH9990", file=str(still)), "EntityNotFound", 3, "SH9990"),
        (on("SH0010", file=str(folder / "gone.mov")), "FileMissing", 3, "gone.mov"),
        (on("SH0010", frames=str(folder / "whole" / "alpha.####.exr")), "FileMissing", 3, "alpha"),
        (on("SH0020", frames=holed), "BadFrames", 5, "1002"),
        (on("SH0030", file=str(folder / "note.tif")), "ExtensionRefused", 5, "'tif'"),
        (on("SH0040", file=str(folder / "empty.png")), "EmptyFile", 5, "empty.png"),
        (on("SH0050", file=str(folder / "huge.mov")), "TooLarge", 5, "MAX_UPLOAD_BYTES"),
        (on("SH0060", file=str(still), coment="x"), "InvalidArgument", 2, "comment"),
        ({"file": str(still), "shot": "SH0070"}, "InvalidArgument", 2, "Missing: sequence"),
        (on("SH0080", file=str(outside)), "OutsideRoots", 4, "FARM_TASKS_READ_ROOTS"),
        (on("SH0090", file=str(still), status="wfaa"), "EntityNotFound", 3, "wfa"),
    ]
    rows, expected = list(good), {}
    for place, (row, *outcome) in enumerate(wrong):
        rows.insert(2 * place, row)  # among the good ones
        expected[2 * place + 1] = tuple(outcome)
    return rows, expected
