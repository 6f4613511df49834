"""A worker makes its own path of what was sent, and then looks at its roots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from farm_tasks import submit
from farm_tasks.errors import InvalidArgument, OutsideRoots
from tests.support.discarding_kitsu import WORKING_FILE, DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import running_redis
from tests.support.worker import Worker, running_worker


class Farm(NamedTuple):
    kitsu: DiscardingKitsu
    worker: Worker
    folder: Path


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A worker with a map; its submitter, which is this process, has none."""
    folder = tmp_path_factory.mktemp("farm")
    show = folder / "show"
    show.mkdir()
    (folder / "paths.toml").write_text(
        f"[show]\nlinux = '{show}'\nwindows = 'P:\\'\ncanonical = '/projects'\n"
        f"[system]\nlinux = '/etc'\nwindows = 'E:\\'\n"
    )
    with running_redis(folder / "redis") as redis, discarding_kitsu() as kitsu:
        addresses = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        own = {
            "FARM_TASKS_READ_ROOTS": str(show),
            "FARM_TASKS_WRITE_ROOTS": str(show),
            "FARM_TASKS_PATH_MAP": str(folder / "paths.toml"),
        }
        environment = {**addresses, **own, **kitsu.environment()}
        with (
            running_worker(folder / "worker", environment, "solo", 1) as worker,
            environment_of(addresses),
        ):
            yield Farm(kitsu, worker, show)


def test_a_file_is_uploaded_from_where_it_is_here_and_called_as_it_was(farm: Farm) -> None:
    (farm.folder / "scene.blend").write_bytes(bytes(3000))
    for path in ("/projects/scene.blend", "p:/scene.blend", str(farm.folder / "scene.blend")):
        submission = submit.upload_working_file(WORKING_FILE, path)
        submission.wait(30)
        progress = submission.progress()
        assert (progress.bytes_read, progress.file) == (3000, path)
    assert "[show] canonical /projects is linux" in farm.worker.log.read_text()


def test_a_file_is_downloaded_to_where_it_is_here_and_called_as_it_was(farm: Farm) -> None:
    farm.kitsu.serve(4000)
    result = submit.download_working_file(WORKING_FILE, "P:\\new.blend").wait(30)
    assert (result["file_path"], result["size"]) == ("P:\\new.blend", 4000)
    assert (farm.folder / "new.blend").stat().st_size == 4000


def test_the_map_opens_nothing_that_the_roots_do_not_hold(farm: Farm) -> None:
    for path in ("E:\\passwd", "/etc/passwd"):
        with pytest.raises(OutsideRoots, match="FARM_TASKS_READ_ROOTS"):
            submit.upload_working_file(WORKING_FILE, path).wait(30)
    (farm.folder / "link").symlink_to("/etc")
    with pytest.raises(OutsideRoots):
        submit.upload_working_file(WORKING_FILE, "P:\\link\\passwd").wait(30)


def test_frames_and_what_goes_with_them_are_mapped_as_well(farm: Farm) -> None:
    def publish(frames: str, **options: str) -> None:
        submit.publish("show/SQ01/SH010/comp", frames=frames, fps=24, **options).wait(30)  # type: ignore[arg-type]

    with pytest.raises(OutsideRoots, match=r"^/etc "):
        publish("E:\\beauty.####.exr")
    with pytest.raises(OutsideRoots, match=r"^/etc/logo.png "):
        publish("P:\\beauty.####.exr", logo="E:\\logo.png")
    with pytest.raises(OutsideRoots, match=r"^/etc/a.mp4 .*FARM_TASKS_WRITE_ROOTS"):
        publish("P:\\beauty.####.exr", movie_path="E:\\a.mp4")


def test_what_has_no_rule_or_climbs_out_of_its_root_is_refused(farm: Farm) -> None:
    for path in ("Q:\\scene.blend", "P:\\..\\scene.blend", "P:\\a\\..\\..\\etc\\passwd"):
        with pytest.raises(InvalidArgument, match="FARM_TASKS_PATH_MAP"):
            submit.upload_working_file(WORKING_FILE, path).wait(30)
    with pytest.raises(OutsideRoots):
        submit.upload_working_file(WORKING_FILE, "/projects/../etc/passwd").wait(30)
