"""A farm with bad roads: a Redis and workers of its own, on the shared Kitsu."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks import submit
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.chaos.broker_road import BrokerRoad, acknowledgement, running_broker_road
from tests.chaos.census import Census, Finding, Publish
from tests.chaos.crew import Crew
from tests.chaos.phases import Fault, Phase, Plan, new_tag
from tests.chaos.road import Road, running_road
from tests.support.environment import environment_of
from tests.support.media import digest, movie, noise
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until

SMALLEST, LARGEST = 3_000_000, 6_000_000
"""Bytes of a preview: more than a socket's buffers hold, so that half-way is half-way."""


class Stage:
    """Everything that a test hurts.

    Attributes:
        sandbox: The Kitsu behind :attr:`road`.
        road: The workers' way to Kitsu.
        redis: Broker and result backend.
        broker_road: The workers' way to the broker.
        crew: The workers.
        chance: Where all that is random comes from.
        publishes: What was submitted so far.
        submitter: The variables of a submitter: addresses of Redis, and no more.
    """

    def __init__(
        self,
        sandbox: SandboxInfo,
        folder: Path,
        redis: RedisServer,
        road: Road,
        broker_road: BrokerRoad,
        slots: int,
        chance: random.Random,
    ) -> None:
        self.sandbox = sandbox
        self.road = road
        self.redis = redis
        self.broker_road = broker_road
        self.chance = chance
        self.kitsu = _kitsu(sandbox)
        self.folder = sandbox.projects_folder / folder.name
        self.folder.mkdir(exist_ok=True)
        self.publishes: list[Publish] = []
        self._movie: bytes | None = None
        self._tasks = itertools.count(1)
        environment = {
            **sandbox.environment(),
            "KITSU_HOST": road.url,
            "FARM_TASKS_BROKER_URL": broker_road.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        self.crew = Crew(folder, environment, slots)
        self.submitter = submitter_of(redis)

    def new_task(self) -> str:
        """A task of its own, on a shot of its own."""
        name = f"{self.folder.name}-{next(self._tasks)}"
        shot = gazu.shot.new_shot(
            self.sandbox.project_id, self.sandbox.sequence_id, name, client=self.kitsu
        )
        kind = gazu.task.get_task_type_by_name("Compositing", "Shot", client=self.kitsu)
        return str(gazu.task.new_task(shot, kind, client=self.kitsu)["id"])

    def plan(self, phase: Phase, fault: Fault = Fault.HOLD) -> Plan:
        """What the road is to do to the next publish, at a random point of the phase."""
        plan = Plan(
            new_tag(self.chance),
            phase,
            fault,
            at=self.chance.uniform(0.02, 0.98),
            is_dropped=self.chance.random() < 0.5,
        )
        return self.road.plans.add(plan)

    def publish(self, plan: Plan, task: str | None = None, **options: Any) -> Publish:
        """Submit a publish of bytes that no other has, by default to a task of its own."""
        sizes = self.chance.sample(range(1_000, 50_000), self.chance.choice([0, 0, 2]))
        attachments = [noise(self.folder / f"{plan.tag}-{size}.txt", size) for size in sizes]
        path = self.new_file(plan)
        return self.submit(plan, task or self.new_task(), path, attachments, **options)

    def submit(
        self,
        plan: Plan,
        task: str,
        path: Path,
        attachments: Sequence[Path] = (),
        **options: Any,
    ) -> Publish:
        """Submit a publish of files that are there."""
        submission = submit.publish_preview(
            task,
            self.sandbox.task_status_ids["wip"],
            comment=f"{plan.tag} by {plan.fault} at {plan.phase}",
            attachments=[str(one) for one in attachments],
            preview_file_path=str(path),
            normalize_movie=False,
            wait_until_ready=True,
            **options,
        )
        publish = Publish(plan, task, path, digest(path), submission, tuple(attachments))
        self.publishes.append(publish)
        return publish

    def new_file(self, plan: Plan, size: int | None = None) -> Path:
        """What Kitsu keeps byte for byte: a movie where it has to be waited for, else anything."""
        if plan.phase is not Phase.WAITING:
            size = size or self.chance.randint(SMALLEST, LARGEST)
            return noise(self.folder / f"{plan.tag}.zip", size)
        if self._movie is None:
            self._movie = movie(self.sandbox, self.folder / "movie.mp4", 0.5).read_bytes()
        # A box that players skip (ISO/IEC 14496-12 8.1.2), to tell it from all others.
        words = plan.tag.encode()
        box = (8 + len(words)).to_bytes(4, "big") + b"free" + words
        path = self.folder / f"{plan.tag}.mp4"
        path.write_bytes(self._movie + box)
        return path

    def hold_acknowledgement(self, publish: Publish) -> None:
        """Let this publish end, and hold the acknowledgement of its message."""
        tag = wait_until(lambda: self._delivery_tag(publish.submission), 10)
        self.broker_road.hold(acknowledgement(_unacked(), tag))
        publish.plan.go.set()
        wait_until(self.broker_road.held.is_set, 20)
        assert publish.submission.state == "SUCCESS"

    def release(self) -> None:
        """Let go of all that is held on either road."""
        self.broker_road.release()
        self.road.plans.release()

    def wait(self, publishes: Iterable[Publish], seconds: float) -> None:
        """Wait until all have ended, well or badly."""
        deadline = time.monotonic() + seconds
        left = list(publishes)
        while left and time.monotonic() < deadline:
            left = [one for one in left if not one.submission.record().is_final]
            time.sleep(0.2)
        if left:
            raise AssertionError("\n".join(["not ended:", *map(self.story, left)]))

    def findings(self, publishes: Iterable[Publish]) -> list[Finding]:
        """All that is wrong with them in Kitsu."""
        return Census(self.kitsu).take(list(publishes))

    def assert_each_is_there_once(self, publishes: list[Publish]) -> None:
        """Fail with the whole story of each that is lost, doubled or spoilt."""
        findings = self.findings(publishes)
        tags = {one.tag for one in findings}
        stories = [self.story(one) for one in publishes if one.tag in tags]
        assert not findings, "\n".join([*map(str, findings), *stories])
        assert self.road.plans.overlaps == []

    def story(self, publish: Publish) -> str:
        """The plan of a publish, its state, and what the workers logged about it."""
        record = publish.submission.record()
        lines = self.crew.lines_about(publish.tag, publish.submission.id)
        told = f"{publish.plan}: {record.state} {record.progress.stage} {record.error or ''}"
        return "\n    ".join([told, *lines])

    def _delivery_tag(self, submission: Submission) -> str | None:
        with self.redis.client(0) as client:
            for tag, value in client.hscan_iter(_unacked()):
                message = json.loads(value)[0]
                if message["headers"]["id"] == submission.id:
                    return str(tag.decode())
        return None


def submitter_of(redis: RedisServer) -> dict[str, str]:
    return {"FARM_TASKS_BROKER_URL": redis.url(0), "FARM_TASKS_RESULT_BACKEND": redis.url(1)}


def _unacked() -> str:
    """Where the broker keeps what workers are at."""
    return str(sender().conf.broker_transport_options.get("unacked_key", "unacked"))


def _kitsu(sandbox: SandboxInfo) -> KitsuClient:
    """gazu, past all roads."""
    client = gazu.client.create_client(sandbox.kitsu_host)
    client.session.trust_env = False
    gazu.client.set_tokens({"access_token": sandbox.bot_token}, client=client)
    return client


@contextlib.contextmanager
def running_stage(
    sandbox: SandboxInfo, folder: Path, slots: int, seed: int | None = None
) -> Iterator[Stage]:
    """A stage without workers yet; this process is its submitter.

    Args:
        sandbox: The Kitsu.
        folder: For Redis and logs; its name is the stage's.
        slots: Of each worker.
        seed: To repeat what happened. It is printed.
    """
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    print(f"{folder.name}: seed {seed}")
    with (
        running_redis(folder / "redis") as redis,
        running_road(sandbox.kitsu_host) as road,
        running_broker_road(redis.port) as broker_road,
        environment_of(submitter_of(redis)),
    ):
        stage = Stage(sandbox, folder, redis, road, broker_road, slots, random.Random(seed))
        try:
            yield stage
        finally:
            stage.release()
            stage.crew.dismiss()
