from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gazu
import pytest

from farm_tasks import submit
from farm_tasks.batches.project_files import files_of
from farm_tasks.kitsu.client import forget_client, kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.cli.command_line import Terminal, run
from tests.support.environment import environment_of
from tests.support.media import movie, picture
from tests.support.waiting import wait_until
from tests.support.worker import Worker

NASTY_SHOT = "../SH/020\x1b[31m"


class Production(NamedTuple):
    name: str
    id: str
    previews: dict[str, str]
    """Ids by what they are of."""


@pytest.fixture(scope="module")
def production(sandbox: SandboxInfo, kitsu_worker: Worker) -> Iterator[Production]:
    """A project of this file's own: a movie, two pictures of one revision, a bad shot name."""
    with environment_of(sandbox.environment()):
        client = kitsu_client()
        name = f"Batch {uuid.uuid4().hex[:6]}"
        project = gazu.project.new_project(name, team=[sandbox.bot_id], client=client)
        sequence = gazu.shot.new_sequence(project, "SQ01", client=client)
        compositing = gazu.task.get_task_type_by_name("Compositing", "Shot", client=client)
        tasks = [
            gazu.task.new_task(
                gazu.shot.new_shot(project, sequence, shot, client=client), compositing,
                client=client,
            )
            for shot in ("SH010", NASTY_SHOT)
        ]  # fmt: skip
        folder = sandbox.projects_folder / "batch"
        folder.mkdir(exist_ok=True)
        wfa = sandbox.task_status_ids["wfa"]
        film = movie(sandbox, folder / "film.mp4")
        still = picture(sandbox, folder / "still.png")
        publications = {
            "movie": submit.publish_preview(tasks[0], wfa, preview_file_path=str(film)),
            "nasty": submit.publish_preview(tasks[1], wfa, preview_file_path=str(still)),
        }
        made = {key: one.wait(60) for key, one in publications.items()}
        previews = {key: preview["id"] for key, (_comment, preview) in made.items()}
        comment, first = made["nasty"]
        extra = submit.add_extra_preview(tasks[1], comment, first, str(still)).wait(60)
        previews["extra"] = extra["id"]
        for one in previews.values():
            wait_until(lambda one=one: _is_ready(one, client), 60, every=0.2)  # type: ignore[misc]
        yield Production(name, project["id"], previews)


def _is_ready(preview_file: str, client: Any) -> bool:
    return bool(gazu.files.get_preview_file(preview_file, client=client)["status"] == "ready")


NAMES = [
    "SQ01_SH-020-[31m_Compositing_v001.png",
    "SQ01_SH-020-[31m_Compositing_v001_2.png",
    "SQ01_SH010_Compositing_v001.mp4",
]


def test_all_previews_of_a_project_come_with_names_that_people_know(
    sandbox: SandboxInfo, production: Production, projects: Path
) -> None:
    done = run(
        "batch", "download", "--project", production.name, "--into", str(projects),
        env=sandbox.environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(one.name for one in projects.iterdir()) == NAMES
    assert all(one.stat().st_size for one in projects.iterdir())
    assert "3 of 3 files" in done.stdout
    assert "\x1b" not in done.stdout


def test_on_a_terminal_there_is_a_bar_over_all(
    sandbox: SandboxInfo, production: Production, projects: Path
) -> None:
    command = ("batch", "download", "--project", production.id, "--into", str(projects))
    with Terminal(*command, env=sandbox.environment()) as terminal:
        assert terminal.end() == 0
        assert "3 of 3 done" in terminal.text
        assert "SQ01_SH010_Compositing_v001.mp4" in terminal.text


def test_one_failure_does_not_stop_the_rest(
    sandbox: SandboxInfo, production: Production, projects: Path
) -> None:
    (projects / NAMES[2]).mkdir()  # in the way of the movie
    done = run(
        "batch", "download", "--project", production.name, "--into", str(projects), "--json",
        env=sandbox.environment(),
    )  # fmt: skip
    assert done.returncode == 2, "a folder is in the way: the path cannot be used"
    last = {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert sorted(one["state"] for one in last.values()) == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert (projects / NAMES[0]).is_file()


def test_the_summary_names_what_failed_and_why(
    sandbox: SandboxInfo, production: Production
) -> None:
    done = run(
        "batch", "download", "--project", production.name, "--into", "/nowhere/at all",
        env=sandbox.environment(),
    )  # fmt: skip
    assert done.returncode == 4
    assert "0 of 3 files" in done.stdout
    assert "3 failed" in done.stdout
    assert "FARM_TASKS_WRITE_ROOTS" in done.stdout


@pytest.mark.parametrize(
    ("kind", "suffix", "count"), [("thumbnails", "png", 3), ("movies", "mp4", 1)]
)
def test_other_kinds_have_their_own_extension(
    sandbox: SandboxInfo, production: Production, projects: Path, kind: str, suffix: str, count: int
) -> None:
    done = run(
        "batch", "download", "--project", production.name, "--into", str(projects), "--kind", kind,
        env=sandbox.environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert [one.suffix for one in projects.iterdir()] == [f".{suffix}"] * count


@pytest.mark.chaos
def test_what_is_there_and_whole_is_not_downloaded_again(
    sandbox: SandboxInfo, production: Production, projects: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    command = (
        "batch", "download", "--project", production.name, "--into", str(projects),
        "--template", "{sequence}/{shot}/v{revision:03}{position}.{extension}",
        "--report", str(report),
    )  # fmt: skip
    assert run(*command, env=sandbox.environment()).returncode == 0
    movie = projects / "SQ01" / "SH010" / "v001.mp4"
    whole = movie.read_bytes()
    movie.write_bytes(whole[:-1])
    plan = run(*command, "--dry-run", env=sandbox.environment())
    assert "1 files to download" in plan.stdout
    done = run(*command, env=sandbox.environment())
    assert done.returncode == 0, done.stderr
    assert "1 of 1 files" in done.stdout
    assert "2 skipped" in done.stdout
    assert movie.read_bytes() == whole
    rows = json.loads(report.read_text())
    assert sorted(one["state"] for one in rows) == ["done", "skipped", "skipped"]
    assert [one["bytes"] for one in rows if one["state"] == "done"] == [len(whole)]


def test_it_can_be_left_alone_and_watched_later(
    sandbox: SandboxInfo, production: Production, projects: Path
) -> None:
    env = sandbox.environment()
    done = run(
        "batch", "download", "--project", production.name, "--into", str(projects), "--no-watch",
        env=env,
    )  # fmt: skip
    assert done.returncode == 0
    assert run("watch", "--group", done.stdout.strip(), env=env).returncode == 0
    assert len(list(projects.iterdir())) == 3


def test_a_project_that_is_not_there_is_not_found(sandbox: SandboxInfo, projects: Path) -> None:
    for project in ("No such project", str(uuid.uuid4())):
        done = run(
            "batch", "download", "--project", project, "--into", str(projects),
            env=sandbox.environment(),
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_without_credentials_it_says_what_to_set(sandbox: SandboxInfo, projects: Path) -> None:
    env = {k: v for k, v in sandbox.environment().items() if not k.startswith("KITSU")}
    done = run("batch", "download", "--project", "Demo", "--into", str(projects), env=env)
    assert done.returncode == 2
    assert "KITSU_HOST" in done.stderr


def test_who_is_no_administrator_gets_the_same_list(
    sandbox: SandboxInfo, production: Production
) -> None:
    with environment_of(sandbox.environment()):
        client = kitsu_client()
        bot = gazu.person.new_bot("Manager", f"{uuid.uuid4().hex}@example.com", role="manager",
                                  client=client)  # fmt: skip
        gazu.project.add_person_to_team(production.id, bot["id"], client=client)
        whole = files_of(production.name)
    with environment_of({**sandbox.environment(), "KITSU_BOT_TOKEN": bot["access_token"]}):
        forget_client()
        assert files_of(production.name) == whole
    assert {one.id for one in whole} == set(production.previews.values())
