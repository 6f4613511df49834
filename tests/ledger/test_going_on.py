"""An operation that stopped half-way: what it says, and how it goes on with its ledger."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from gazu.client import KitsuClient

from farm_tasks.errors import FarmTasksError, HalfDone, Incomplete, TemporaryFailure, Unsettled
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.ledger import Memory
from tests.ledger.model_kitsu import STATUS, ModelKitsu

TASK = "11111111-1111-4111-8111-111111111111"


class Kept(Memory):
    """A ledger for several tries, with a clock that the test turns on."""

    survives = True
    clock = 0.0

    def now(self) -> float:
        return self.clock


def until_done(kept: Kept, run: Any) -> Any:
    for _ in range(20):
        try:
            return run()
        except TemporaryFailure:
            kept.clock += 100.0
    raise AssertionError("it never ended")


def test_without_a_ledger_the_error_says_what_is_there_and_how_to_go_on(
    kitsu: ModelKitsu, client: KitsuClient, paths: dict[str, str]
) -> None:
    kitsu.fates = ["ok", "ok", "cut"]
    with pytest.raises(HalfDone, match=r"Preview .* was made.*Comment .* was posted"):
        operations.publish_preview(
            TASK, STATUS, "Half", preview_file_path=paths["shot"], client=client
        )
    comment = kitsu.comments[0]["id"]
    operations.upload_preview_file(comment, paths["shot"], client=client)
    assert len(kitsu.comments) == len(kitsu.comments[0]["previews"]) == 1


def test_what_may_still_happen_is_not_tried_again_before_kitsu_had_its_time(
    kitsu: ModelKitsu, client: KitsuClient
) -> None:
    kept = Kept()
    kitsu.fates = ["lost"]

    def run() -> Any:
        return operations.add_comment(TASK, STATUS, "Lost", client=client, ledger=kept)

    with pytest.raises(TemporaryFailure):
        run()
    with pytest.raises(Unsettled) as waiting:
        run()
    assert waiting.value.retry_after == 5.0
    kept.clock += 5.0
    assert run()["id"] == kitsu.comments[0]["id"]
    assert run()["id"] == kitsu.comments[0]["id"]
    assert len(kitsu.comments) == 1


def test_attachments_that_kitsu_did_not_store_are_sent_alone(
    kitsu: ModelKitsu, client: KitsuClient, paths: dict[str, str]
) -> None:
    kept = Kept()
    kitsu.fates = ["half", "half"]
    files = [paths["notes"], paths["grade"], paths["shot"]]
    added = until_done(
        kept,
        lambda: operations.add_comment(
            TASK, STATUS, "Files", attachments=files, client=client, ledger=kept
        ),
    )
    names = Counter(one["name"] for one in kitsu.comments[0]["attachment_files"])
    assert names == Counter(["notes.txt", "grade.cdl", "shot.zip"])
    assert len(added["attachment_files"]) == 3


def test_an_answer_of_success_that_stored_too_little_is_no_success(
    kitsu: ModelKitsu, client: KitsuClient, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = operations.add_comment(TASK, STATUS, "Short", client=client)
    monkeypatch.setattr(
        "tests.ledger.model_kitsu._attachments", lambda files: []
    )  # zou can answer 201 []
    with pytest.raises(Incomplete, match="0 of the 1 attachments"):
        operations.add_attachment_files_to_comment(
            TASK, posted["id"], paths["notes"], client=client
        )


def batch(paths: dict[str, str], texts: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "task_id": TASK,
            "task_status_id": STATUS,
            "text": text,
            "attachment_files": [paths["notes"], paths["grade"]],
            "preview_files": [paths["shot"]],
        }
        for text in texts
    ]


@pytest.mark.parametrize("fate", ["lost", "half", "cut", "500"])
@pytest.mark.parametrize("texts", [["one", "two", "three"], ["same", "same", "same"]])
def test_a_batch_is_made_good_comment_by_comment(
    fate: str,
    texts: list[str],
    kitsu: ModelKitsu,
    client: KitsuClient,
    paths: dict[str, str],
) -> None:
    kept = Kept()
    kitsu.fates = [fate, "ok", "lost"]

    def run() -> Any:
        try:
            return operations.batch_comments(batch(paths, texts), client=client, ledger=kept)
        except TemporaryFailure:
            raise
        except FarmTasksError as error:
            raise TemporaryFailure(str(error)) from error  # a 500, retried by hand

    posted = until_done(kept, run)
    assert [one["text"] for one in posted] == texts
    assert len({one["id"] for one in posted}) == 3
    assert Counter(one["text"] for one in kitsu.comments) == Counter(texts)
    for comment in kitsu.comments:
        assert len(comment["attachment_files"]) == 2
        assert [kitsu.previews[one]["original_name"] for one in comment["previews"]] == ["shot"]
