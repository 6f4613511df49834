"""Arguments are checked against the signature of the task, and never quoted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from farm_tasks import arguments
from farm_tasks.errors import InvalidArgument
from farm_tasks.worker.tasks import comments, downloads, previews, tables, uploads

ID = "00000000-0000-4000-8000-000000000000"
PUBLISH = {"task": ID, "task_status": ID}


@pytest.mark.parametrize(
    ("task", "args", "kwargs"),
    [
        (uploads.upload_working_file, [ID, "/a"], {}),
        (uploads.upload_working_file, [{"id": ID}], {"file_path": "/a"}),
        (uploads.upload_working_file, [ID], {"file_path": "/not-utf-8-\udcff.exr"}),
        (previews.publish_preview, [], PUBLISH | {"revision": 3, "links": ["https://x"]}),
        (previews.publish_preview, [], PUBLISH | {"person": None, "checklist": [{"text": "a"}]}),
        (comments.add_attachment_files_to_comment, [ID, ID, "/a.png"], {}),
        (comments.add_attachment_files_to_comment, [ID, ID, ["/a\udcff.png", "/b"]], {}),
        (comments.batch_comments, [[{"text": "a", "preview_files": ["/a"]}]], {"task": None}),
        (downloads.extract_frame_from_preview, [ID, 7, "/a.png"], {}),
    ],
)
def test_what_fits_passes(task: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    arguments.check(task.run, args, kwargs)


@pytest.mark.parametrize(
    ("task", "args", "kwargs", "says"),
    [
        (uploads.upload_working_file, [], {"working_file": ID}, "missing.*'file_path'"),
        (uploads.upload_working_file, [ID, "/a"], {"speed": 1}, "unexpected.*'speed'"),
        (uploads.upload_working_file, [ID, "/a"], {"x" * 9999: 1}, "unexpected"),
        (uploads.upload_working_file, [ID, "/a", 1], {}, "too many"),
        (uploads.upload_working_file, [ID, "/a"], {"file_path": "/b"}, "multiple values"),
        (uploads.upload_working_file, [ID, 7], {}, "file_path: .*string"),
        (uploads.upload_working_file, [ID, {"id": ID}], {}, "file_path: .*string"),
        (uploads.upload_working_file, [["nested"], "/a"], {}, "working_file: .*string"),
        (uploads.upload_working_file, [ID, "/" + "a" * 70_000], {}, "file_path: .*65536"),
        (previews.publish_preview, [], PUBLISH | {"revision": "3"}, "revision: .*integer"),
        (previews.publish_preview, [], PUBLISH | {"revision": True}, "revision: .*integer"),
        (previews.publish_preview, [], PUBLISH | {"set_thumbnail": 1}, "set_thumbnail: .*bool"),
        (previews.publish_preview, [], PUBLISH | {"links": [1]}, "links: .*string"),
        (previews.publish_preview, [], PUBLISH | {"links": ["x"] * 1001}, "links: a list of 1,001"),
        (previews.publish_preview, [], PUBLISH | {"checklist": [["x"] * 90_000]}, "450,126 bytes"),
        (comments.add_comment, [ID, ID, {"id": ID}], {}, "comment: .*string"),
        (tables.import_otio, [ID, "/a"], {"match_case": "yes"}, "match_case: .*bool"),
    ],
)
def test_what_does_not_fit_is_named_and_not_quoted(
    task: Any, args: list[Any], kwargs: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says) as caught:
        arguments.check(task.run, args, kwargs)
    assert len(str(caught.value)) < 200


def test_what_is_nested_too_deep_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InvalidArgument, match="too deep"):
        arguments.check(comments.batch_comments.run, [nested], {})


@pytest.mark.alone
def test_a_check_takes_less_than_a_fifth_of_a_millisecond() -> None:
    run, kwargs = previews.publish_preview.run, PUBLISH | {"attachments": ["/a.png"] * 10}
    arguments.check(run, [], kwargs)
    seconds = []
    for _ in range(200):
        began = time.perf_counter()
        arguments.check(run, [], kwargs)
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[100] < 0.0002
