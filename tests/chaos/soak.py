"""``make soak``: hundreds of publishes under random faults, and a count of what is in Kitsu.

Bounded in number and time. What happens comes from the seed; when it happens, from the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from farm_tasks.sandbox import Sandbox
from farm_tasks.submit.connection import sender
from tests.chaos import kitsu
from tests.chaos.census import KINDS, Finding, Publish
from tests.chaos.crew import is_alive, kill_slots, kill_whole, terminate
from tests.chaos.phases import BEFORE_KITSU, ON_THE_ROAD, Fault, Phase
from tests.chaos.stage import Stage, running_stage
from tests.support.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
_BETWEEN = re.compile(r"(?<=<!-- soak: begin -->\n).*?(?=<!-- soak: end -->)", re.DOTALL)

BATCH = 10
TASKS = 3
"""Kitsu tasks that a batch shares, so that revisions are fought for."""

SLOTS = 8
LONGEST_BATCH = 300.0
"""Seconds after which what has not ended is called lost."""

FAULTS = {
    Fault.NONE: 4,
    Fault.HOLD: 8,
    Fault.BAD_GATEWAY: 2,
    Fault.UNAVAILABLE: 2,
    Fault.TOO_MANY: 2,
    Fault.RESET: 3,
    Fault.LOSE: 3,
}
"""How often, beside each other. A stall costs a minute: one batch in eight has one."""


Blow = Callable[[Stage], None]


def nothing(stage: Stage) -> None:
    """Nothing."""


def kill_a_worker(stage: Stage) -> None:
    """Kill -9 of a worker."""
    kill_whole(stage.chance.choice(_alive(stage)))


def kill_all_workers(stage: Stage) -> None:
    """Kill -9 of all workers."""
    for worker in _alive(stage):
        kill_whole(worker)


def vanish_with_messages(stage: Stage) -> None:
    """All machines lose their power while Redis hands them messages."""
    stage.broker_road.keep_answers()
    for _ in range(2):
        stage.publish(stage.plan(Phase.QUEUED, Fault.NONE))
    time.sleep(stage.chance.uniform(0.0, 1.0))
    kill_all_workers(stage)
    stage.broker_road.pass_answers()


def kill_pool_processes(stage: Stage) -> None:
    """Kill -9 of a worker's pool processes."""
    kill_slots(stage.chance.choice(_alive(stage)))


def end_a_worker(stage: Stage) -> None:
    """SIGTERM to a worker."""
    terminate(stage.chance.choice(_alive(stage)))


def restart_redis(stage: Stage) -> None:
    """Redis killed and started."""
    stage.redis.kill()
    time.sleep(stage.chance.uniform(0.0, 10.0))
    stage.redis.start()


def hang_redis(stage: Stage) -> None:
    """Redis hung."""
    stage.redis.hang()
    time.sleep(stage.chance.uniform(1.0, 15.0))
    stage.redis.resume()


def cut_the_broker(stage: Stage) -> None:
    """Connections to the broker reset."""
    stage.broker_road.cut_all()


def cut_kitsu(stage: Stage) -> None:
    """Connections to Kitsu cut."""
    stage.road.cut_all()


def restart_kitsu(stage: Stage) -> None:
    """Kitsu killed and started."""
    kitsu.restart(stage.sandbox, away=stage.chance.uniform(0.0, 5.0))


def deliver_twice(stage: Stage) -> None:
    """Every message twice."""
    for publish in stage.publishes:
        sender().send_task(
            "farm_tasks.publish_preview",
            kwargs=publish.submission.record().arguments,
            task_id=publish.submission.id,
        )


BLOWS: tuple[Blow, ...] = (
    kill_a_worker,
    kill_all_workers,
    vanish_with_messages,
    kill_pool_processes,
    end_a_worker,
    restart_redis,
    hang_redis,
    cut_the_broker,
    cut_kitsu,
    restart_kitsu,
    deliver_twice,
    nothing,
)
"""Each is told in the table by its docstring."""


@dataclasses.dataclass
class Tally:
    """What the runs came to.

    Attributes:
        runs: By the row of the table.
        wrong: By row and kind.
        findings: All that was found wrong.
        seconds: What the batches took, from the first submission to the last end.
    """

    runs: Counter[str] = dataclasses.field(default_factory=Counter)
    wrong: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)

    def add(self, blows: list[Blow], publishes: list[Publish], findings: list[Finding]) -> None:
        kinds = {(one.tag, one.kind) for one in findings}
        self.findings += findings
        for publish in publishes:
            for row in (*dict.fromkeys(map(_told, blows)), f"road: {_row(publish)}", "all"):
                self.runs[row] += 1
                for kind in KINDS:
                    self.wrong[row, kind] += (publish.tag, kind) in kinds


def _told(blow: Blow) -> str:
    return f"farm: {(blow.__doc__ or '').removesuffix('.')}"


def _row(publish: Publish) -> str:
    plan = publish.plan
    if plan.fault is Fault.NONE or not plan.reached.is_set():
        return "nothing"
    if plan.fault is Fault.HOLD:
        return f"held at: {plan.phase}"
    return str(plan.fault)


def run_batch(stage: Stage, blows: list[Blow], size: int, has_stall: bool) -> Tally:
    """Submit a batch, hurt it, and count what came of it."""
    started = time.monotonic()
    chance = stage.chance
    stage.publishes.clear()
    tasks = [stage.new_task() for _ in range(min(TASKS, size))]
    for number in range(size):
        fault = chance.choices(list(FAULTS), list(FAULTS.values()))[0]
        if has_stall and number == 0:
            fault = Fault.STALL
        phases = BEFORE_KITSU if fault is Fault.TOO_MANY else ON_THE_ROAD
        plan = stage.plan(chance.choice(phases), fault)
        key = f"soak:{plan.tag}" if chance.random() < 0.5 else None
        publish = stage.publish(plan, chance.choice(tasks), key=key)
        if key and chance.random() < 0.5:
            again = stage.submit(plan, publish.task, publish.path, publish.attachments, key=key)
            stage.publishes.remove(again)
            assert again.submission == publish.submission
        time.sleep(chance.uniform(0.0, 0.3))
    for blow in blows:
        time.sleep(chance.uniform(0.0, 4.0))
        keep_two_workers(stage)
        blow(stage)
    time.sleep(chance.uniform(0.0, 2.0))
    stage.release()
    keep_two_workers(stage)
    publishes = list(stage.publishes)
    try:
        stage.wait(publishes, LONGEST_BATCH)
    except AssertionError as error:
        print(error, flush=True)
    findings = stage.findings(publishes)
    for finding in findings:
        story = next(stage.story(one) for one in publishes if one.tag == finding.tag)
        print(f"{finding}\n{story}", flush=True)
    tally = Tally()
    tally.add(blows, publishes, findings)
    tally.seconds.append(time.monotonic() - started)
    return tally


def keep_two_workers(stage: Stage) -> None:
    """Replace those that are dead or about to end."""
    while len(_alive(stage)) < 2:
        pool = stage.chance.choice(["prefork", "prefork", "threads"])
        stage.crew.hire(pool, FARM_TASKS_GRACE_SECONDS="3")


def _alive(stage: Stage) -> list[Worker]:
    return [one for one in stage.crew.workers if is_alive(one)]


def main() -> int:
    """Run, print, and write the table into docs/reliability.md if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="publishes, at least")
    parser.add_argument("--minutes", type=float, default=40.0, help="no new batch after these")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    total = Tally()
    with (
        tempfile.TemporaryDirectory(prefix="farm-tasks-soak-") as folder,
        Sandbox(Path(folder) / "sandbox") as sandbox,
        running_stage(sandbox, Path(folder) / "soak", SLOTS, asked.seed) as stage,
    ):
        with contextlib.suppress(KeyboardInterrupt):  # what has been seen by then is told
            soak(stage, total, asked.runs, began + asked.minutes * 60)
        overlaps = stage.road.plans.overlaps
    report = as_markdown(total, asked.seed, time.monotonic() - began, len(overlaps))
    print(report)
    if asked.write:
        text = DOCUMENT.read_text()
        DOCUMENT.write_text(_BETWEEN.sub(lambda _: report, text))
    return 1 if total.findings or overlaps else 0


def soak(stage: Stage, total: Tally, runs: int, until: float) -> None:
    """Run batch after batch, and add them up."""
    began = time.monotonic()
    keep_two_workers(stage)
    bag: list[Blow] = []
    while total.runs["all"] < runs and time.monotonic() < until:
        if not bag:  # each blow once before any comes again
            bag = stage.chance.sample(BLOWS, len(BLOWS))
        blows = [bag.pop(), *stage.chance.sample(BLOWS, stage.chance.choice([0, 0, 1]))]
        batch = run_batch(stage, blows, BATCH, has_stall=len(total.seconds) % 8 == 3)
        merge(total, batch)
        print(
            f"{time.monotonic() - began:6.0f} s  {total.runs['all']:4} runs  "
            f"{batch.seconds[0]:5.0f} s  {len(total.findings)} findings  "
            f"{', then '.join(map(_told, blows))}",
            flush=True,
        )


def merge(total: Tally, more: Tally) -> None:
    total.runs += more.runs
    total.wrong += more.wrong
    total.findings += more.findings
    total.seconds += more.seconds


def as_markdown(tally: Tally, seed: int, seconds: float, overlaps: int) -> str:
    """The table, and under what circumstances it came about."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    longest, median = max(tally.seconds), sorted(tally.seconds)[len(tally.seconds) // 2]
    circumstances = (
        f"{datetime.now(UTC):%d %B %Y}, commit {commit}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"seed {seed}: {tally.runs['all']} publishes in {len(tally.seconds)} batches, "
        f"{seconds / 60:.0f} minutes. Uploads that ran to one preview at once: {overlaps}. "
        f"A batch took {median:.0f} s in the median, {longest:.0f} s at the longest."
    )
    lines = [
        circumstances,
        "",
        f"| what happened | runs | {' | '.join(KINDS)} |",
        f"|---|---|{'---|' * len(KINDS)}",
    ]
    for row in sorted(tally.runs, key=lambda row: (row == "all", row)):
        counts = " | ".join(str(tally.wrong[row, kind]) for kind in KINDS)
        lines.append(f"| {row} | {tally.runs[row]} | {counts} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
