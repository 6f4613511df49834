"""What Flower costs while 50 transfers move: ``python -m tests.monitor.flower.cost``.

Their events come from this process, 100 a second, so that nothing is measured but Flower. And what
the page of batches costs, with 20 of them that have 24,000 members.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
from celery import Celery

from farm_tasks.states import PROGRESS, SUCCESS, result_key
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.transfer.progress import Progress
from tests.monitor.flower.running import Flower, running_browser, running_flower
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until

TRANSFERS = 50
SECONDS = 20.0
BATCHES, MEMBERS = 20, 1200
TOTAL = 2_000_000_000


def _share(process: psutil.Process) -> float:
    """Percent of one core that a process takes."""
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(SECONDS)
    after, seconds = process.cpu_times(), time.monotonic() - began
    return 100 * (after.user + after.system - before.user - before.system) / seconds


def _events(flower: Flower) -> float:
    """How many events of progress it has had."""
    lines = flower.ask("/metrics")[1].splitlines()
    wanted = [one for one in lines if one.startswith("flower_events_total{") and "progress" in one]
    return sum(float(one.rpartition(" ")[2]) for one in wanted)


@contextlib.contextmanager
def _transfers(redis: RedisServer) -> Iterator[None]:
    """Send what workers with :data:`TRANSFERS` transfers do."""
    ended = threading.Event()
    ids = [str(uuid.uuid4()) for _ in range(TRANSFERS)]
    began = time.monotonic()

    def send() -> None:
        app = Celery(broker=redis.url(0))
        with app.connection() as connection:
            dispatcher = app.events.Dispatcher(connection, hostname="celery@render01")
            for one in ids:
                path = f"/projects/demo/sq010/{one}.mov"
                dispatcher.send(
                    "task-received",
                    uuid=one,
                    name="farm_tasks.publish_preview",
                    args="()",
                    kwargs=repr({"task": one, "comment": "Final", "preview_file_path": path}),
                )
            due = time.monotonic()
            while True:
                for one in ids:
                    due += 0.5 / TRANSFERS
                    if ended.wait(max(0.0, due - time.monotonic())):
                        return
                    elapsed = time.monotonic() - began
                    dispatcher.send(
                        "task-progress",
                        uuid=one,
                        name="farm_tasks.publish_preview",
                        file=f"/projects/demo/sq010/{one}.mov",
                        bytes_read=int(elapsed * 8e6),
                        total=TOTAL,
                        percent=round(elapsed * 8e8 / TOTAL, 2),
                        stage="uploading",
                        rate=8e6,
                        eta=round((TOTAL - elapsed * 8e6) / 8e6, 1),
                        attempt=1,
                        elapsed=round(elapsed, 1),
                    )

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _batches() -> None:
    """Have 20 batches of 1200 transfers, of which 50 move and all others are done."""
    client, backend = redis_client(), sender().backend
    for batch in range(BATCHES):
        members = [Submission(str(uuid.uuid4())) for _ in range(MEMBERS)]
        with client.pipeline(transaction=False) as pipeline:
            for number, one in enumerate(members):
                moves = batch == 0 and number < TRANSFERS
                progress = Progress(
                    TOTAL // 2 if moves else TOTAL, TOTAL, file=f"/projects/demo/sq010/{one.id}.mov"
                )
                record = {
                    "status": PROGRESS if moves else SUCCESS,
                    "result": progress.to_dict() if moves else {"preview_file": one.id},
                    "progress": progress.to_dict(),
                    "task_id": one.id,
                    "name": "farm_tasks.publish_preview",
                    "kwargs": {"task": one.id, "comment": "Final"},
                    "worker": "celery@render01",
                }
                pipeline.set(result_key(one.id), backend.encode(record))
            pipeline.execute()
        Group.of(members)


def _looks(flower: Flower) -> Iterator[float]:
    """Seconds of the processor that Flower takes to answer for all batches, time after time."""
    assert flower.process is not None
    process = psutil.Process(flower.process.pid)
    while True:
        before = process.cpu_times()
        assert flower.ask("/batches/figures")[0] == 200
        after = process.cpu_times()
        yield after.user + after.system - before.user - before.system
        time.sleep(4.0)  # until it asks Redis anew


def main() -> None:
    """Measure, and print."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(running_redis(folder / "redis"))
        addresses = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        flower = stack.enter_context(running_flower(folder, addresses))
        browser = stack.enter_context(running_browser())
        assert flower.process is not None
        process = psutil.Process(flower.process.pid)
        print(f"no events: {_share(process):.1f} % of a core")
        stack.enter_context(_transfers(redis))
        wait_until(lambda: _events(flower) > TRANSFERS, 30)
        before = _events(flower)
        print(f"{TRANSFERS} transfers, nobody looks: {_share(process):.1f} % of a core")
        print(f"{(_events(flower) - before) / SECONDS:.0f} events a second")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{flower.url}/tasks")
        page.locator("#tasks-table_length select").select_option("50")
        page.wait_for_function("document.querySelectorAll('.ft-bar').length == 50")
        page.evaluate("performance.clearResourceTimings()")
        print(f"a list of {TRANSFERS} open: {_share(process):.1f} % of a core")
        took = page.evaluate(
            "performance.getEntriesByType('resource').map(one => one.responseEnd - one.startTime)"
        )
        print(f"{len(took) / SECONDS:.2f} requests a second, {sorted(took)[len(took) // 2]:.0f} ms")
        drawing = page.evaluate(
            """async () => {
                const first = document.querySelector('.ft-bar'), times = [];
                const table = $('#tasks-table').DataTable();
                for (let i = 0; i < 20; i += 1) {
                    const data = (await $.post('/tasks/datatable', table.ajax.params())).data;
                    const began = performance.now();
                    data.forEach(one => window.FarmTasks.draw(
                        document.getElementById(one.uuid).querySelector('.ft-progress'), one));
                    times.push(performance.now() - began);
                }
                return times.sort((a, b) => a - b)[10];
            }"""
        )
        print(f"{drawing:.1f} ms to move the {TRANSFERS} bars")
        page.close()
        with environment_of(addresses):
            _batches()
        first, *later = itertools.islice(_looks(flower), 6)
        print(f"{BATCHES} batches with {BATCHES * MEMBERS} members, the first look: {first:.2f} s")
        print(f"each look after that: {1000 * sum(later) / len(later):.0f} ms")


if __name__ == "__main__":
    main()
