"""The operations under a confinement: Kitsu sees names and files, never descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gazu
import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import FileMissing, OutsideRoots
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.support.media import noise, picture


@pytest.fixture
def confined(kitsu: SandboxInfo, projects: Path) -> Iterator[Confinement]:
    """A confinement to this test's folder."""
    with Confinement([projects], [projects]) as one:
        yield one


def test_a_comment_that_says_the_path_of_its_attachment_goes_on_saying_it(
    kitsu: SandboxInfo, confined: Confinement, projects: Path
) -> None:
    path = confined.source(str(noise(projects / "scene.blend", 1000)))
    other = confined.source(str(noise(projects / "notes.txt", 10)))
    wip = kitsu.task_status_ids["wip"]
    posted = operations.add_comment(
        kitsu.task_id, wip, f"{projects}/scene.blend", attachments=[path, other]
    )
    (batched,) = operations.batch_comments(
        [
            {
                "task_status_id": wip,
                "text": f"{projects}/scene.blend",
                "attachment_files": [path, other],
                "preview_files": [confined.source(str(picture(kitsu, projects / "still.png")))],
            }
        ],
        task=kitsu.task_id,
    )
    for comment in (posted, batched):
        assert comment["text"] == f"{projects}/scene.blend"
        files = {one["name"]: one["size"] for one in comment["attachment_files"]}
        assert files == {"scene.blend": 1000, "notes.txt": 10}
        assert "/proc/" not in str(comment)
    (preview,) = batched["preview_files"]
    made = gazu.files.get_preview_file(preview["id"], client=kitsu_client())
    assert (made["original_name"], made["extension"]) == ("still", "png")


def test_what_goes_up_comes_down(kitsu: SandboxInfo, confined: Confinement, projects: Path) -> None:
    made = gazu.files.new_working_file(
        kitsu.task_id, name="confined", software=kitsu.software_id, client=kitsu_client()
    )
    path = confined.source(str(noise(projects / "scene.blend", 3_000_000)))
    operations.upload_working_file(made, path)
    back = confined.target(str(projects / "new" / "back.blend"))
    done = operations.download_working_file(made, back)
    assert done["file_path"] == back
    assert Path(back).read_bytes() == Path(path).read_bytes()


def test_what_happens_to_a_file_after_it_was_named_is_told_by_its_path(
    kitsu: SandboxInfo, confined: Confinement, projects: Path, tmp_path: Path
) -> None:
    path = confined.source(str(noise(projects / "scene.blend", 10)))
    Path(path).unlink()
    with pytest.raises(FileMissing, match=r"scene\.blend does not exist"):
        operations.upload_working_file(kitsu.task_id, path)
    Path(path).symlink_to(noise(tmp_path / "secret.blend", 10))
    with pytest.raises(OutsideRoots, match=r"scene\.blend is a symbolic link by now"):
        operations.upload_working_file(kitsu.task_id, path)
