"""Whatever happens in whatever order, what ``publish`` publishes is there once.

As tests/ledger/test_every_order.py does it, with all that ``publish`` may be asked for. Each try is
on a machine of its own: the movie that an earlier one has made is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from gazu.client import KitsuClient
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from farm_tasks.errors import FarmTasksError, TemporaryFailure
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.operations.filling import remove_orphans
from farm_tasks.worker import ledger as ledgers
from farm_tasks.worker.ledger import RedisLedger
from tests.ledger.model_kitsu import ENTITY, OTHER_STATUS, PLAYLIST, STATUS
from tests.ledger.test_every_order import TASK, Attempt, Machine, run_examples, running

REQUESTS = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["", "v001", "same", "same"]),
        "frames": st.booleans(),
        "still": st.booleans(),
        "task_status": st.sampled_from([None, STATUS]),
        "revision": st.sampled_from(["auto", "explicit"]),
        "thumbnail": st.sampled_from([None, "last"]),
        "playlist": st.sampled_from([None, PLAYLIST]),
    }
)


class Made:
    """A movie of one submission: the same bytes wherever it is made, each time at another path."""

    def __init__(self, submission: int, folder: Path) -> None:
        self.name = f"beauty-{submission}.####.exr"
        self.about = {"frames": self.name}
        self.content = self.name.encode()
        self._folder = folder

    def __call__(self, labels: Mapping[str, str], progress: object) -> dict[str, Any]:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / "shot.mp4"
        path.write_bytes(self.content)
        sha256 = hashlib.sha256(self.content).hexdigest()
        return {"path": str(path), "frames": 9, "fps": "24/1", "sha256": sha256}


class PublishMachine(Machine):
    complete = (["shot"], ["shot", "still"])
    folder: Path
    still: str

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.requests: list[dict[str, Any]] = []
        self.results: dict[int, dict[str, Any]] = {}

    @rule(request=REQUESTS)
    @precondition(lambda self: len(self.requests) < 3)
    def submit(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        self.texts.append(request["text"])
        self.deliver(len(self.texts) - 1)

    @rule(status=st.sampled_from([STATUS, OTHER_STATUS]))
    def somebody_sets_the_status(self, status: str) -> None:
        with self.kitsu.changed:
            self.kitsu.statuses[TASK] = status

    def publish(self, attempt: Attempt, client: KitsuClient, ledger: RedisLedger) -> Any:
        request = self.requests[attempt.submission]
        scratch = self.folder / attempt.token
        movie = Made(attempt.submission, scratch) if request["frames"] else None
        explicit = 1000 * (attempt.submission + 1)
        try:
            result = operations.publish(
                TASK,
                [*([] if movie else [self.movie]), *([self.still] if request["still"] else [])],
                request["task_status"],
                request["text"],
                attachments=self.attachments,
                revision=explicit if request["revision"] == "explicit" else "auto",
                thumbnail=request["thumbnail"],
                playlist=request["playlist"],
                movie=movie,
                client=client,
                progress_callback=attempt.progress,
                ledger=ledger,
            )
        except TemporaryFailure:
            raise
        except FarmTasksError:
            with contextlib.suppress(FarmTasksError):
                remove_orphans(ledger, client)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self.results[attempt.submission] = result
        return result

    @invariant()
    def a_comment_has_one_revision(self) -> None:
        if not hasattr(self, "texts"):
            return
        with self.kitsu.changed:
            for comment in self.kitsu.comments:
                rows = [self.kitsu.previews[one] for one in comment["previews"]]
                assert len({one["revision"] for one in rows}) <= 1
            assert len(self.kitsu.playlist) == len(set(self.kitsu.playlist))

    def teardown(self) -> None:
        super().teardown()
        if not hasattr(self, "requests"):
            return
        by_id = {one["id"]: one for one in self.kitsu.comments}
        results = [self.results[number] for number in range(len(self.requests))]
        assert {one["comment"]["id"] for one in results} == set(by_id)
        for number, (request, result) in enumerate(zip(self.requests, results, strict=True)):
            told = [one["id"] for one in result["previews"]]
            assert sorted(told) == sorted(by_id[result["comment"]["id"]]["previews"])
            for one in result["previews"]:
                content = self.kitsu.contents[one["id"]]
                assert one["sha256"] == hashlib.sha256(content).hexdigest()
                assert one["size"] == len(content)
            if request["frames"]:
                assert self.kitsu.contents[told[0]] == Made(number, self.folder).content
            if request["revision"] == "explicit":
                assert result["revision"] == 1000 * (number + 1)
            assert (told[0] in self.kitsu.thumbnails) == (request["thumbnail"] is not None)
            assert ((ENTITY, told[0]) in self.kitsu.playlist) == (request["playlist"] is not None)
        assert len({one["revision"] for one in results}) == len(results)
        firsts = {one["previews"][0]["id"] for one in results}
        assert {*self.kitsu.thumbnails, *(one for _, one in self.kitsu.playlist)} <= firsts


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Machine]]:
    folder = tmp_path_factory.mktemp("publish")
    PublishMachine.folder, still = folder, folder / "still.png"
    still.write_bytes(b"a picture")
    PublishMachine.still = str(still)
    with running(PublishMachine, folder) as machine:
        yield machine


def test_what_publish_publishes_is_there_once_whatever_happens_in_whatever_order(
    machine: type[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "PATIENCE", -1.0)
    run_examples(machine, 45)
