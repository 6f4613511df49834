"""A stand-in for what our Deadline files use of Deadline 10's Python API. It is not Deadline.

Names and behaviour are of Deadline's scripting reference: callbacks are added with ``+=``, a job's
extra info is "" where it was not set, outputs come as arrays of the same length.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Callbacks(list[Any]):
    def __iadd__(self, one: Any) -> Callbacks:  # type: ignore[override,misc]
        self.append(one)
        return self


class DeadlineEventListener:
    config: dict[str, str]

    def __init__(self) -> None:
        self.OnJobFinishedCallback = Callbacks()
        self.said: list[tuple[str, str]] = []

    def GetConfigEntryWithDefault(self, name: str, default: str) -> str:
        return self.config.get(name, default)

    def LogInfo(self, text: str) -> None:
        self.said.append(("info", text))

    def LogWarning(self, text: str) -> None:
        self.said.append(("warning", text))


class Job:
    """A finished job."""

    def __init__(self, outputs: dict[str, str], frames: str = "1001-1003", **info: str) -> None:
        self.JobId = "5f1c0ffee"
        self.JobName = "comp SH010\n"
        self.JobOutputDirectories = list(outputs.values())
        self.JobOutputFileNames = list(outputs)
        self.JobFrames = frames
        self.JobCompletedDateTime = "22.11.2026 02:00:00"
        self.info = info

    def GetJobExtraInfoKeyValue(self, name: str) -> str:
        return self.info.get(name, "")


class DeadlinePlugin(DeadlineEventListener):
    """What a post-job script is given."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def GetJob(self) -> Job:
        return self._job


@contextmanager
def deadline(folder: Path, config: dict[str, str]) -> Iterator[None]:
    """A process in which Deadline runs Python, with the event plugin in ``folder``."""
    DeadlineEventListener.config = config
    events, scripting = types.ModuleType("Deadline.Events"), types.ModuleType("Deadline.Scripting")
    events.DeadlineEventListener = DeadlineEventListener  # type: ignore[attr-defined]

    class RepositoryUtils:
        @staticmethod
        def GetEventPluginDirectory(name: str) -> str:
            assert name == "FarmTasks"
            return str(folder)

        @staticmethod
        def GetEventPluginConfig(name: str) -> DeadlineEventListener:
            assert name == "FarmTasks"
            return DeadlineEventListener()

        @staticmethod
        def CheckPathMapping(path: str) -> str:
            return path.replace("P:\\", "/mnt/projects/").replace("\\", "/")

    scripting.RepositoryUtils = RepositoryUtils  # type: ignore[attr-defined]
    package = types.ModuleType("Deadline")
    modules = {"Deadline": package, "Deadline.Events": events, "Deadline.Scripting": scripting}
    path = list(sys.path)
    sys.modules.update(modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [*modules, "farm_tasks_client", "farm_tasks_deadline"]:
            sys.modules.pop(name, None)
