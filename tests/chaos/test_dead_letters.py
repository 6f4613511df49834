"""What fails for good says why, leaves nothing half-written, and works once the cause is mended."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import gazu
import pytest

from farm_tasks import submit
from farm_tasks.errors import (
    DiskFull,
    FarmTasksError,
    FileChanged,
    FileMissing,
    NotAuthenticated,
    TooLarge,
)
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Submission
from tests.chaos.census import Census, Publish
from tests.chaos.phases import Fault, Phase
from tests.chaos.stage import Stage, running_stage
from tests.cli.command_line import run
from tests.support.media import digest, noise
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos

DISK = 8 * 1024 * 1024
MUCH = 40_000_000
"""Bytes: more than lies in the sockets between a worker and the road."""


@pytest.fixture(scope="module")
def bot(sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return Bot(sandbox, tmp_path_factory.mktemp("bot") / "token")


class Bot:
    """A Kitsu user of this module's own, whose token can be revoked.

    Attributes:
        token_file: Where its worker reads the token.
    """

    def __init__(self, sandbox: SandboxInfo, token_file: Path) -> None:
        self._kitsu = gazu.client.create_client(sandbox.kitsu_host)
        gazu.client.set_tokens({"access_token": sandbox.bot_token}, client=self._kitsu)
        self._person = gazu.person.new_bot(
            "Mortal", "mortal@example.com", role="admin", client=self._kitsu
        )
        gazu.project.add_person_to_team(sandbox.project_id, self._person, client=self._kitsu)
        self.token_file = token_file
        token_file.write_text(self._person["access_token"])
        self._years = iter(range(2100, 2200))

    def revoke(self) -> str:
        """Have Kitsu make another token, which ends the one in the file. Returns the new one."""
        changed = {"id": self._person["id"], "expiration_date": f"{next(self._years)}-01-01"}
        return str(gazu.person.update_bot(changed, client=self._kitsu)["access_token"])


@pytest.fixture(scope="module")
def mortal_stage(
    sandbox: SandboxInfo, bot: Bot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A stage whose worker has a bot's token in a file."""
    with running_stage(sandbox, tmp_path_factory.mktemp("mortal"), slots=2) as stage:
        del stage.crew.environment["KITSU_BOT_TOKEN"]
        stage.crew.hire(KITSU_BOT_TOKEN_FILE=str(bot.token_file))
        yield stage


def assert_is_dead_letter(
    stage: Stage, submission: Submission, kind: type[FarmTasksError], words: str
) -> None:
    """It has failed for good, and `list --failed` says why."""
    wait_until(lambda: submission.record().is_final, 60)
    with pytest.raises(kind, match=words) as caught:
        submission.wait(1)
    listed = run("list", "--failed", "--json", env=stage.submitter)
    rows = {row["id"]: row for row in map(json.loads, listed.stdout.splitlines())}
    assert str(caught.value) in json.dumps(rows[submission.id], ensure_ascii=False)


def retry(stage: Stage, submission: Submission) -> None:
    """What a person types the next morning."""
    done = run("retry", submission.id, env=stage.submitter)
    assert done.returncode == 0, done.stderr
    submission.wait(60)


def assert_no_row_is_left(stage: Stage, publish: Publish) -> None:
    rows = Census(stage.kitsu).rows_without_content(publish.task)
    assert rows == [], stage.story(publish)


def held(stage: Stage, phase: Phase) -> Publish:
    """A publish that stands at a phase; half-way is where most of the file is still to be read."""
    plan = stage.plan(phase)
    plan.at, plan.is_dropped = 0.02, False
    publish = stage.submit(plan, stage.new_task(), stage.new_file(plan, MUCH))
    wait_until(publish.plan.reached.is_set, 30)
    return publish


@pytest.mark.parametrize("phase", [Phase.COMMENT_MADE, Phase.ROW_MADE])
def test_a_file_that_is_removed_meanwhile(phase: Phase, mortal_stage: Stage) -> None:
    publish = held(mortal_stage, phase)
    content = publish.path.read_bytes()
    publish.path.unlink()
    publish.plan.go.set()
    assert_is_dead_letter(mortal_stage, publish.submission, FileMissing, publish.path.name)
    assert_no_row_is_left(mortal_stage, publish)
    publish.path.write_bytes(content)
    retry(mortal_stage, publish.submission)
    mortal_stage.assert_each_is_there_once([publish])


def test_a_file_that_changes_while_it_is_sent(mortal_stage: Stage) -> None:
    publish = held(mortal_stage, Phase.HALF_WAY)
    with publish.path.open("ab") as file:
        file.write(b"a renderer is still writing")
    publish.plan.go.set()
    assert_is_dead_letter(mortal_stage, publish.submission, FileChanged, publish.path.name)
    assert_no_row_is_left(mortal_stage, publish)
    mended = Publish(
        publish.plan, publish.task, publish.path, digest(publish.path), publish.submission
    )
    retry(mortal_stage, publish.submission)
    mortal_stage.assert_each_is_there_once([mended])


@pytest.mark.parametrize("phase", [Phase.COMMENT, Phase.PREVIEW_ROW, Phase.FIRST_BYTE])
def test_a_token_that_is_revoked(phase: Phase, bot: Bot, mortal_stage: Stage) -> None:
    publish = held(mortal_stage, phase)
    new = bot.revoke()
    publish.plan.go.set()
    assert_is_dead_letter(mortal_stage, publish.submission, NotAuthenticated, "token|TOKEN")
    bot.token_file.write_text(new)
    retry(mortal_stage, publish.submission)
    mortal_stage.assert_each_is_there_once([publish])


def test_a_file_that_the_proxy_finds_too_large(mortal_stage: Stage) -> None:
    publish = mortal_stage.publish(mortal_stage.plan(Phase.FIRST_BYTE, Fault.TOO_LARGE))
    assert_is_dead_letter(
        mortal_stage, publish.submission, TooLarge, "client_max_body_size in the nginx"
    )
    assert_no_row_is_left(mortal_stage, publish)
    retry(mortal_stage, publish.submission)
    mortal_stage.assert_each_is_there_once([publish])


@pytest.fixture
def small_disk(mortal_stage: Stage) -> Iterator[Path]:
    """A folder under the write roots with room for 8 MiB."""
    folder = mortal_stage.folder / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full(mortal_stage: Stage, small_disk: Path) -> None:
    publish = mortal_stage.publish(mortal_stage.plan(Phase.QUEUED, Fault.NONE))
    mortal_stage.wait([publish], 60)
    preview = publish.submission.wait(1)[1]
    ballast = noise(small_disk / "ballast", DISK - 2 * 1024 * 1024)
    target = small_disk / "preview.zip"
    download = submit.download_preview_file(preview, str(target))
    assert_is_dead_letter(mortal_stage, download, DiskFull, "free on that disk")
    assert os.listdir(small_disk) == [ballast.name]
    ballast.unlink()
    retry(mortal_stage, download)
    assert digest(target) == publish.sha256
    assert os.listdir(small_disk) == [target.name]
