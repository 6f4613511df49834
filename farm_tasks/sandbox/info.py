"""What a caller needs to know about a running sandbox."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PATHS = ("home", "projects_folder", "preview_folder", "ffmpeg", "ffprobe")


@dataclass(frozen=True)
class SandboxInfo:
    """Addresses, credentials and seeded ids of a running sandbox. Everything is on 127.0.0.1.

    Attributes:
        home: The sandbox's own folder.
        kitsu_host: What gazu wants as host. No ``/api``: that prefix is nginx's, and there is none.
        event_host: The socket.io server (``gazu.events``).
        redis_url: Without a database number. Kitsu uses databases 0 to 4.
        broker_url: Celery's broker, in a database of its own.
        result_backend: Celery's results, in a database of its own.
        login: The administrator's email.
        password: The administrator's password.
        bot_token: A bot's access token, without expiry, for everything the transfer tasks do.
        bot_id: The person id of that bot.
        organisation_id: The studio.
        project_id: The project ``project_name``, with a file tree rooted in ``projects_folder``.
        project_name: "Demo".
        sequence_id: SQ01.
        shot_id: SH010.
        asset_id: The asset "Robot".
        task_id: Compositing on SH010.
        asset_task_id: Modeling on Robot.
        task_status_ids: Ids by short name: wip, wfa, done, ...
        person_id: An artist, assigned to both tasks.
        software_id: Blender.
        projects_folder: Plays the studio's project storage; empty at first.
        preview_folder: Where Kitsu keeps previews, attachments and working files.
        ffmpeg: The ffmpeg that Kitsu uses.
        ffprobe: The ffprobe that Kitsu uses.
        logs: The log file of each process, by its name.
    """

    home: Path
    kitsu_host: str
    event_host: str
    redis_url: str
    broker_url: str
    result_backend: str
    login: str
    password: str
    bot_token: str
    bot_id: str
    organisation_id: str
    project_id: str
    project_name: str
    sequence_id: str
    shot_id: str
    asset_id: str
    task_id: str
    asset_task_id: str
    task_status_ids: dict[str, str]
    person_id: str
    software_id: str
    projects_folder: Path
    preview_folder: Path
    ffmpeg: Path
    ffprobe: Path
    logs: dict[str, Path]

    def environment(self) -> dict[str, str]:
        """Return the variables that a worker and a submitter read to use this sandbox."""
        return {
            "KITSU_HOST": self.kitsu_host,
            "KITSU_BOT_TOKEN": self.bot_token,
            "FARM_TASKS_BROKER_URL": self.broker_url,
            "FARM_TASKS_RESULT_BACKEND": self.result_backend,
            "FARM_TASKS_READ_ROOTS": str(self.projects_folder),
            "FARM_TASKS_WRITE_ROOTS": str(self.projects_folder),
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; :meth:`from_json` turns them back."""
        values = asdict(self)
        values |= {name: str(values[name]) for name in _PATHS}
        values["logs"] = {name: str(path) for name, path in self.logs.items()}
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SandboxInfo:
        """Rebuild what :meth:`to_json` returned.

        Raises:
            TypeError: The values were written by another version of this class.
            KeyError: The same.
        """
        values = values | {name: Path(values[name]) for name in _PATHS}
        values["logs"] = {name: Path(path) for name, path in values["logs"].items()}
        return cls(**values)
