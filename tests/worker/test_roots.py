"""What is done to the files and folders of a running transfer, and what a killed one leaves.

Through a real worker, with a server that lets a transfer last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import OutsideRoots
from farm_tasks.submit import Submission
from tests.acceptance.farm import MB, MIB, Farm, running_farm
from tests.support.discarding_kitsu import PATTERN, WORKING_FILE
from tests.support.swapping import exchange
from tests.support.waiting import wait_until

SIZE = 4 * MIB


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with running_farm(tmp_path_factory.mktemp("farm")) as farm:
        yield farm


@pytest.fixture
def show(farm: Farm, request: pytest.FixtureRequest) -> Path:
    """A folder of this test's own under the worker's roots."""
    folder = farm.folder / request.node.name[:60]
    folder.mkdir()
    return folder


def under_way(farm: Farm, target: Path) -> Submission:
    """A download of which some bytes are on the disk, with the rest to come slowly."""
    farm.kitsu.serve(SIZE, rate=0.1 * MB, quick=SIZE // 2)
    number = farm.kitsu.begun
    submission = submit.download_working_file(WORKING_FILE, str(target))
    wait_until(lambda: farm.kitsu.begun > number and farm.kitsu.moved(number) > 0, 20)
    wait_until(lambda: any(one.stat().st_size for one in target.parent.iterdir()), 20)
    return submission


def is_whole(path: Path) -> bool:
    content = path.read_bytes()
    return len(content) == SIZE and content == (PATTERN * (SIZE // len(PATTERN) + 1))[:SIZE]


def test_what_a_killed_worker_process_left_is_gone_when_the_next_try_has_ended(
    farm: Farm, show: Path
) -> None:
    target = show / "scene.blend"
    submission = under_way(farm, target)
    (left,) = os.listdir(show)
    (process,) = farm.worker.children()
    process.kill()
    farm.kitsu.serve(SIZE)
    assert submission.wait(30)["size"] == SIZE
    assert is_whole(target)
    assert left not in os.listdir(show)
    assert os.listdir(show) == ["scene.blend"]


def test_a_folder_that_becomes_a_link_while_it_is_written_to_is_not_followed(
    farm: Farm, show: Path, tmp_path: Path
) -> None:
    submission = under_way(farm, show / "scene.blend")
    link = farm.folder / "link"
    link.symlink_to(tmp_path)
    exchange(show, link)
    farm.kitsu.serve(SIZE)
    submission.wait(30)
    assert os.listdir(tmp_path) == []
    assert is_whole(link / "scene.blend"), "it is where the folder is by now"


def test_a_link_that_is_there_already_is_refused(farm: Farm, show: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.blend").write_bytes(b"secret")
    (show / "link").symlink_to(tmp_path)
    before = farm.kitsu.begun
    for submission in (
        submit.upload_working_file(WORKING_FILE, str(show / "link" / "secret.blend")),
        submit.download_working_file(WORKING_FILE, str(show / "link" / "new.blend")),
    ):
        with pytest.raises(OutsideRoots):
            submission.wait(30)
    assert farm.kitsu.begun == before
    assert os.listdir(tmp_path) == ["secret.blend"]
