from __future__ import annotations

import json
from dataclasses import asdict, fields

from farm_tasks.sandbox import SandboxInfo


def test_it_survives_json(sandbox: SandboxInfo) -> None:
    again = SandboxInfo.from_json(json.loads(json.dumps(sandbox.to_json())))

    assert again == sandbox
    assert asdict(again) == asdict(sandbox)


def test_nothing_in_it_is_empty(sandbox: SandboxInfo) -> None:
    assert [field.name for field in fields(sandbox) if not getattr(sandbox, field.name)] == []


def test_the_environment_is_what_a_worker_and_a_submitter_read(sandbox: SandboxInfo) -> None:
    assert sandbox.environment() == {
        "KITSU_HOST": sandbox.kitsu_host,
        "KITSU_BOT_TOKEN": sandbox.bot_token,
        "FARM_TASKS_BROKER_URL": sandbox.broker_url,
        "FARM_TASKS_RESULT_BACKEND": sandbox.result_backend,
        "FARM_TASKS_READ_ROOTS": str(sandbox.projects_folder),
        "FARM_TASKS_WRITE_ROOTS": str(sandbox.projects_folder),
    }
