"""Records, made and stored as a worker would."""

from __future__ import annotations

import json
import uuid
from typing import Any

from farm_tasks.settings import settings
from farm_tasks.states import PROGRESS, QUEUED, result_key
from farm_tasks.stored_state import replace
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.submit.record import Record
from farm_tasks.transfer.progress import Progress


def record(state: str = PROGRESS, **changes: Any) -> Record:
    """A record; ``bytes_read``, ``total``, ... go into its progress."""
    outer = {"id", "function", "result", "error", "worker", "arguments"}
    inner = {name: value for name, value in changes.items() if name not in outer}
    rest = {name: value for name, value in changes.items() if name in outer}
    values = {"id": "an-id", "function": "upload_preview_file", **rest}
    return Record(state=state, progress=Progress(**inner), **values)


def store(submission_id: str, state: str, result: Any, progress: Progress | None = None) -> None:
    """Put a state where a worker puts it, and tell those who watch."""
    backend = sender().backend
    key = result_key(submission_id)
    stored = redis_client().get(key)
    meta = json.loads(stored) if stored else {"task_id": submission_id, "name": "farm_tasks.x"}
    if meta.get("status") in {QUEUED, PROGRESS}:
        meta["progress"] = meta["result"]
    meta["status"] = state
    meta["result"] = backend.encode_result(result, state)
    if progress is not None:
        meta["progress"] = progress.to_dict()
    assert replace(redis_client(), key, stored, backend.encode(meta), settings().record_seconds)


def submitted(file_path: str = "/show/SQ01_SH010_v001.mp4") -> str:
    """A submission that no worker has taken."""
    from farm_tasks.submit import download_preview_file

    return download_preview_file(str(uuid.uuid4()), file_path).id
