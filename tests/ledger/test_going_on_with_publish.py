"""``publish`` that stopped anywhere, and goes on with its ledger in another worker."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gazu.client import KitsuClient

from farm_tasks.errors import (
    BrokenMovie,
    Cancelled,
    EntityNotFound,
    FarmTasksError,
    InvalidArgument,
    TemporaryFailure,
)
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.operations.filling import remove_orphans
from farm_tasks.transfer.progress import Meter, announce
from tests.ledger.model_kitsu import BROKEN, ENTITY, OTHER_STATUS, PLAYLIST, STATUS, ModelKitsu
from tests.ledger.test_going_on import TASK, Kept, until_done

CONTENT = b"the movie of the frames"


class Made:
    """A movie that is made anew, elsewhere, whenever it is asked for; the last one is gone then."""

    def __init__(self, folder: Path) -> None:
        self.name = "beauty.####.exr"
        self.about: dict[str, Any] = {"frames": self.name}
        self.content = CONTENT
        self.times = 0
        self.error: Exception | None = None
        self.labels: list[Mapping[str, str]] = []
        self._folder = folder

    def __call__(self, labels: Mapping[str, str], progress: object) -> dict[str, Any]:
        self.lose()
        announce(progress, "encoding")
        if self.error is not None:
            raise self.error
        self.times += 1
        self.labels.append(labels)
        path = self._folder / f"machine-{self.times}" / "beauty.mp4"
        path.parent.mkdir()
        path.write_bytes(self.content)
        sha256 = hashlib.sha256(self.content).hexdigest()
        return {"path": str(path), "frames": 9, "fps": "24/1", "sha256": sha256}

    def lose(self) -> None:
        """The next try is on another machine."""
        for one in self._folder.glob("machine-*/beauty.mp4"):
            one.unlink()


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def publish(made: Made, kept: Kept, client: KitsuClient) -> Run:
    """One try, by a worker that has not got what others have made."""

    def run(**options: Any) -> dict[str, Any]:
        made.lose()
        wanted = {"comment": "Comp", "movie": made, "task_status": STATUS, **options}
        return operations.publish(TASK, client=client, ledger=kept, **wanted)

    return run


def again(publish: Run, **options: Any) -> Callable[[], dict[str, Any]]:
    """A try whose failure is followed by another one: what fails for good is retried by hand."""

    def run() -> dict[str, Any]:
        try:
            return publish(**options)
        except TemporaryFailure:
            raise
        except FarmTasksError as error:
            raise TemporaryFailure(str(error)) from error

    return run


@pytest.mark.parametrize(
    ("steps", "fate"),
    [(0, "half"), *itertools.product(range(7), ["lost", "cut", "500", "refused"])],
)
def test_whatever_becomes_of_any_request_all_is_there_once(
    steps: int, fate: str, kitsu: ModelKitsu, kept: Kept, publish: Run, paths: dict[str, str]
) -> None:
    kitsu.fates = [*["ok"] * steps, fate]
    result = until_done(
        kept,
        again(
            publish,
            previews=[paths["shot"]],
            attachments=[paths["notes"], paths["grade"]],
            revision=7,
            thumbnail="last",
            playlist=PLAYLIST,
        ),
    )
    [comment] = kitsu.comments
    assert sorted(one["name"] for one in comment["attachment_files"]) == ["grade.cdl", "notes.txt"]
    assert sorted(map(str, kitsu.names_of(comment))) == ["beauty", "shot"]
    first, second = result["previews"]
    assert [first["id"], second["id"]] == comment["previews"]
    assert kitsu.contents[first["id"]] == CONTENT
    assert first["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert {kitsu.previews[one]["revision"] for one in comment["previews"]} == {7}
    assert result["revision"] == 7
    assert set(kitsu.thumbnails) == {first["id"]}
    assert kitsu.playlist == [(ENTITY, first["id"])]


def test_the_stages_of_making_a_movie_are_its_makers_to_say(publish: Run) -> None:
    heard: list[str] = []

    class Heard(Meter):
        def announce(self, stage: str) -> None:
            heard.append(stage)

    publish(progress_callback=Heard())
    assert heard.count("encoding") == 1


def test_a_movie_that_is_in_kitsu_is_not_made_again(
    kitsu: ModelKitsu, kept: Kept, publish: Run, made: Made, paths: dict[str, str]
) -> None:
    kitsu.fates = ["ok", "ok", "ok", "cut"]
    until_done(kept, lambda: publish(previews=[paths["shot"]]))
    assert made.times == 1


def test_a_movie_that_is_made_again_says_the_same(
    kitsu: ModelKitsu, kept: Kept, publish: Run, made: Made
) -> None:
    kitsu.fates = ["503"]
    until_done(kept, publish)
    assert made.times == 2
    assert made.labels[0] == made.labels[1]


def test_the_digest_is_of_what_kitsu_has_and_not_of_what_was_made_meanwhile(
    kitsu: ModelKitsu, publish: Run, kept: Kept, made: Made
) -> None:
    kitsu.fates = ["ok", "ok", "lost"]
    with pytest.raises(TemporaryFailure):
        publish()
    made.content = b"by another version of the encoder"
    result = until_done(kept, publish)
    [preview] = result["previews"]
    assert kitsu.contents[preview["id"]] == CONTENT
    assert preview["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert preview["size"] == len(CONTENT)


def test_other_frames_are_another_movie_on_the_same_comment(
    kitsu: ModelKitsu, publish: Run, made: Made
) -> None:
    kitsu.fates = ["ok", "ok", "ok", "cut"]
    with pytest.raises(TemporaryFailure):
        publish(playlist=PLAYLIST)
    made.about, made.content = {"frames": made.name, "frame_range": "1-2"}, b"fewer frames"
    [preview] = publish(playlist=PLAYLIST)["previews"]
    assert len(kitsu.comments) == 1
    assert kitsu.contents[preview["id"]] == b"fewer frames"


def test_another_file_is_sent_even_if_the_last_one_was(
    kitsu: ModelKitsu, publish: Run, paths: dict[str, str]
) -> None:
    kitsu.fates = ["ok", "ok", "ok", "cut"]
    with pytest.raises(TemporaryFailure):
        publish(movie=None, previews=[paths["shot"]], playlist=PLAYLIST)
    other = Path(paths["shot"]).with_name("other.zip")
    other.write_bytes(b"another one")
    [preview] = publish(movie=None, previews=[str(other)], playlist=PLAYLIST)["previews"]
    assert kitsu.contents[preview["id"]] == b"another one"


@pytest.mark.parametrize("revision", ["auto", 7])
@pytest.mark.parametrize("with_another", [False, True])
def test_a_broken_movie_is_replaced_on_its_comment_under_the_same_revision(
    with_another: bool,
    revision: int | str,
    kitsu: ModelKitsu,
    publish: Run,
    made: Made,
    paths: dict[str, str],
) -> None:
    made.content = BROKEN
    options = {"previews": [paths["shot"]] if with_another else [], "revision": revision}
    with pytest.raises(BrokenMovie):
        publish(**options)
    made.content = CONTENT
    result = publish(**options)
    [comment] = kitsu.comments
    names = ["beauty", "shot"] if with_another else ["beauty"]
    assert sorted(map(str, kitsu.names_of(comment))) == names
    assert kitsu.contents[result["previews"][0]["id"]] == CONTENT
    assert {kitsu.previews[one]["revision"] for one in comment["previews"]} == {
        1 if revision == "auto" else 7
    }


def test_a_broken_movie_whose_worker_died_while_it_was_removed_is_replaced_as_well(
    kitsu: ModelKitsu, publish: Run, kept: Kept, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.content = BROKEN
    with monkeypatch.context() as patched:
        patched.setattr(
            "farm_tasks.kitsu.operations.processing.forget_preview",
            lambda _ledger: pytest.fail("killed here"),
        )
        with pytest.raises(pytest.fail.Exception):
            publish()
    assert kitsu.previews == {}
    with pytest.raises(EntityNotFound):
        publish()
    made.content = CONTENT
    result = publish()
    assert kitsu.names_of(kitsu.comments[0]) == ["beauty"]
    assert kitsu.contents[result["previews"][0]["id"]] == CONTENT


@pytest.mark.parametrize("fates", [["refused"], []])
def test_no_status_keeps_the_one_that_the_task_has_when_the_comment_is_posted(
    fates: list[str], kitsu: ModelKitsu, publish: Run, kept: Kept, made: Made
) -> None:
    """And not the one that it had before its movie was made, or before a try that did nothing."""
    if not fates:
        made.error = TemporaryFailure("no room for a movie")
    kitsu.fates = fates
    with pytest.raises(FarmTasksError):
        publish(task_status=None)
    made.error = None
    kitsu.statuses[TASK] = OTHER_STATUS
    until_done(kept, lambda: publish(task_status=None))
    assert [one["task_status_id"] for one in kitsu.comments] == [OTHER_STATUS]


@pytest.mark.parametrize("fates", [["lost"], ["ok", "cut"]])
def test_a_status_that_somebody_sets_after_the_comment_stays_and_is_no_reason_for_another(
    fates: list[str], kitsu: ModelKitsu, publish: Run, kept: Kept
) -> None:
    kitsu.fates = fates
    with pytest.raises(TemporaryFailure):
        publish(task_status=None)
    kitsu.statuses[TASK] = OTHER_STATUS
    until_done(kept, lambda: publish(task_status=None))
    assert len(kitsu.comments) == 1
    assert kitsu.statuses[TASK] == OTHER_STATUS


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_comment_that_was_deleted_between_two_tries_is_posted_by_a_retry_by_hand(
    steps: int, kitsu: ModelKitsu, publish: Run, kept: Kept
) -> None:
    kitsu.fates = [*["ok"] * steps, "503"]
    options = {"thumbnail": "last", "playlist": PLAYLIST}
    with pytest.raises(TemporaryFailure):
        publish(**options)
    kitsu.delete_comment(kitsu.comments[0]["id"])
    kept.clock += 100.0
    with pytest.raises(EntityNotFound):
        publish(**options)
    assert kitsu.comments == []
    result = publish(**options)
    [comment] = kitsu.comments
    assert kitsu.names_of(comment) == ["beauty"]
    assert result["previews"][0]["id"] in kitsu.thumbnails


def test_attachments_of_a_comment_that_was_deleted_are_no_dead_end(
    kitsu: ModelKitsu, publish: Run, kept: Kept, paths: dict[str, str]
) -> None:
    options = {"attachments": [paths["notes"], paths["grade"]]}
    kitsu.fates = ["half", "503"]
    for _ in range(2):
        with pytest.raises(TemporaryFailure):
            publish(**options)
        kept.clock += 100.0
    kitsu.delete_comment(kitsu.comments[0]["id"])
    with pytest.raises(EntityNotFound):
        publish(**options)
    publish(**options)
    [comment] = kitsu.comments
    assert len(comment["attachment_files"]) == 2


class CancelledAt(Meter):
    """Ends it when a stage is reached, as a cancel does."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._at = stage

    def announce(self, stage: str) -> None:
        super().announce(stage)
        if stage == self._at:
            raise Cancelled("Cancelled.")

    def __call__(self, bytes_read: int, total: int) -> None:
        super().__call__(bytes_read, total)
        if self._at == f"{bytes_read} bytes":
            raise Cancelled("Cancelled.")


@pytest.mark.parametrize(
    ("stage", "previews"),
    [
        ("encoding", 0),
        ("commenting", 0),
        ("making the preview", 0),
        (f"{len(CONTENT)} bytes", 1),
        ("waiting for Kitsu", 1),
        ("setting the thumbnail", 2),
        ("adding to the playlist", 2),
    ],
)
def test_a_cancel_leaves_no_preview_without_content_and_can_be_taken_back(
    stage: str,
    previews: int,
    kitsu: ModelKitsu,
    publish: Run,
    kept: Kept,
    client: KitsuClient,
    paths: dict[str, str],
) -> None:
    options = {"previews": [paths["shot"]], "thumbnail": "last", "playlist": PLAYLIST}
    with pytest.raises(Cancelled):
        publish(progress_callback=CancelledAt(stage), **options)
    remove_orphans(kept, client)
    assert [one["original_name"] is None for one in kitsu.previews.values()] == [False] * previews
    kept.clock += 100.0
    result = until_done(kept, lambda: publish(**options))
    [comment] = kitsu.comments
    assert sorted(map(str, kitsu.names_of(comment))) == ["beauty", "shot"]
    assert [one["id"] for one in result["previews"]] == comment["previews"]


def test_what_was_shown_is_not_shown_again_over_something_newer(
    kitsu: ModelKitsu, publish: Run, kept: Kept
) -> None:
    kitsu.fates = ["ok", "ok", "ok", "ok", "503"]
    options = {"thumbnail": "last", "playlist": PLAYLIST}
    with pytest.raises(TemporaryFailure):
        publish(**options)
    kitsu.thumbnails.append("a newer one")
    until_done(kept, lambda: publish(**options))
    assert kitsu.thumbnails[-1] == "a newer one"


def test_a_retry_looks_names_up_again_that_led_nowhere_and_keeps_the_movie(
    kitsu: ModelKitsu, publish: Run, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The date is in the picture: another one would be another movie."""
    with monkeypatch.context() as patched:
        patched.setattr(
            "tests.ledger.model_kitsu._Handler._add_to_playlist",
            lambda _self, _entry: (404, {"message": "nothing"}),
        )
        with pytest.raises((EntityNotFound, InvalidArgument)):
            publish(playlist=PLAYLIST)
    result = publish(playlist=PLAYLIST)
    assert made.times == 1
    assert kitsu.playlist == [(ENTITY, result["previews"][0]["id"])]
