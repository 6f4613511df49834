"""The files that a farm runs, as they lie in this package and as the farm wants to find them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Kit:
    """What one farm needs.

    Attributes:
        what: What it is, in a line.
        place: Where the files go.
        files: Of each file its path below that place, and its path in this package.
    """

    what: str
    place: str
    files: Mapping[str, str]

    def content(self, name: str) -> bytes:
        """A file, by its path below the place."""
        return (HERE / self.files[name]).read_bytes()


_CLIENT = {"farm_tasks_client.py": "client.py"}
_EVENT = "deadline/FarmTasks"

KITS = {
    "afanasy": Kit(
        "a block that depends on the render's",
        "where your submitters import from",
        {"farm_tasks_afanasy.py": "afanasy/farm_tasks_afanasy.py"},
    ),
    "client": Kit(
        "one file for any Python, 2.7 or 3.x",
        "anywhere on that Python's path",
        _CLIENT,
    ),
    "deadline": Kit(
        "an event plugin, and a post-job script",
        "custom/events in the repository",
        {
            **{
                f"FarmTasks/{name}": f"{_EVENT}/{name}"
                for name in (
                    "FarmTasks.py",
                    "FarmTasks.param",
                    "farm_tasks_deadline.py",
                    "post_job.py",
                )
            },
            "FarmTasks/farm_tasks_client.py": "client.py",
        },
    ),
    "flamenco": Kit(
        "a job type: render, movie, publish",
        "the folder scripts beside flamenco-manager",
        {"render_and_publish.js": "flamenco/render_and_publish.js"},
    ),
    "opencue": Kit(
        "a layer for pyoutline",
        "where your submitters import from",
        {"farm_tasks_layer.py": "opencue/farm_tasks_layer.py"},
    ),
    "openjd": Kit(
        "a job template: render, publish",
        "where your templates are",
        {"publish.yaml": "openjd/publish.yaml"},
    ),
    "royalrender": Kit(
        "a finish script",
        "render_apps/_prepost_scripts in RR_ROOT",
        {
            "FarmTasks_publish.cfg": "royalrender/FarmTasks_publish.cfg",
            "farm_tasks_royalrender.py": "royalrender/farm_tasks_royalrender.py",
            **_CLIENT,
        },
    ),
    "tractor": Kit(
        "a task above the renders'",
        "where your submitters import from",
        {"farm_tasks_tractor.py": "tractor/farm_tasks_tractor.py"},
    ),
}
"""By the names that ``farm-tasks farms`` takes."""
