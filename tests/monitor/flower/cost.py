"""What Flower costs while it shows 50 transfers: ``python -m tests.monitor.flower.cost``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from tests.monitor.flower.farm import running_farm
from tests.monitor.flower.running import running_browser
from tests.support.waiting import wait_until
from tests.worker.crew import MB

TRANSFERS = 50
SECONDS = 20.0


def _share(process: psutil.Process) -> float:
    """Percent of one core that a process takes."""
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(SECONDS)
    after, seconds = process.cpu_times(), time.monotonic() - began
    return 100 * (after.user + after.system - before.user - before.system) / seconds


def main() -> None:
    """Measure, and print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_farm(Path(folder), "threads", TRANSFERS) as farm,
        running_browser() as browser,
    ):
        assert farm.flower.process is not None
        flower = psutil.Process(farm.flower.process.pid)
        print(f"idle: {_share(flower):.1f} % of a core")
        farm.crew.kitsu.serve(0, rate=0.2 * MB)
        submissions = [farm.crew.upload(40 * MB + index) for index in range(TRANSFERS)]
        wait_until(lambda: farm.flower.task(submissions[-1].id).get("percent"), 60)
        print(f"{TRANSFERS} transfers, nobody looks: {_share(flower):.1f} % of a core")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{farm.flower.url}/tasks")
        page.locator("#tasks-table_length select").select_option("50")
        page.wait_for_function("document.querySelectorAll('.ft-bar').length == 50")
        responses: list[float] = []
        page.on(
            "requestfinished",
            lambda request: responses.append(request.timing["responseEnd"]),
        )
        page.evaluate(
            """() => {
                window.tasks = [];
                const watch = new PerformanceObserver(
                    list => window.tasks.push(...list.getEntries().map(one => one.duration)));
                watch.observe({entryTypes: ["longtask"]});
            }"""
        )
        began = time.monotonic()
        print(f"one list of 50 open: {_share(flower):.1f} % of a core")
        page.wait_for_timeout(10)
        seconds = time.monotonic() - began
        longest = page.evaluate("Math.max(0, ...window.tasks)")
        median = sorted(responses)[len(responses) // 2]
        print(f"{len(responses) / seconds:.2f} requests a second, {median:.0f} ms each")
        print(f"longest script: {longest:.0f} ms (0: below 50)")
        page.close()
        for one in submissions:
            one.cancel()


if __name__ == "__main__":
    main()
