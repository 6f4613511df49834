"""A real Flower, and a real browser that looks at it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright
import psutil
import redis

from tests.support.installed import program
from tests.support.redis_server import free_port
from tests.support.waiting import wait_until
from tests.support.worker import KITSU_VARIABLES

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Flower:
    """``farm-tasks flower`` with ``environment`` and nothing else of ours."""

    def __init__(self, log: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.port = free_port()
        self.log = log
        kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
        self._environment = {**kept, **environment}
        self._command = [
            *(sys.executable, "-m", "farm_tasks.cli", "flower", "--port", str(self.port)),
            *arguments,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment
            )
        wait_until(self._answers, 30)
        # It answers some milliseconds before it hears: what is sent in between, Redis tells nobody.
        with redis.Redis.from_url(self._environment["FARM_TASKS_BROKER_URL"]) as client:
            wait_until(lambda: self._hears(client), 30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """The status and the text of an answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers=dict(headers or {}),
            data=b"" if method == "POST" else None,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def task(self, task_id: str) -> dict[str, Any]:
        """What the API says of a task; nothing before its first event."""
        status, text = self.ask(f"/api/task/info/{task_id}")
        return dict(json.loads(text)) if status == 200 else {}

    def stop_task(self, task_id: str) -> tuple[int, str]:
        """What the button of its page does."""
        path = f"/api/task/revoke/{task_id}?terminate=true"
        return self.ask(path, "POST", {"Origin": self.url})

    def _hears(self, client: redis.Redis) -> bool:
        assert self.process is not None
        mine = {one.laddr.port for one in psutil.Process(self.process.pid).net_connections("tcp")}
        subscribed = [one for one in client.client_list(_type="pubsub") if one["psub"] != "0"]
        return any(int(one["addr"].rpartition(":")[2]) in mine for one in subscribed)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"Flower ended at once:\n{self.log.read_text()}")
        with contextlib.suppress(OSError):
            return (
                "Connected to redis" in self.log.read_text() and self.ask("/healthcheck")[0] == 200
            )
        return False


@contextlib.contextmanager
def running_flower(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> Iterator[Flower]:
    flower = Flower(folder / "flower.log", environment, *arguments)
    try:
        flower.start()
        yield flower
    finally:
        flower.stop()


@contextlib.contextmanager
def running_browser() -> Iterator[playwright.Browser]:
    """Debian's Chromium, with a profile of its own that is thrown away."""
    chromium = program("chromium")
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
