"""Shots and assets in bulk. See :mod:`farm_tasks.kitsu.operations.tables`."""

from __future__ import annotations

from farm_tasks.queues import NORMAL, Priority
from farm_tasks.submit.sending import Entity, send
from farm_tasks.submit.submission import Submission


def import_assets_with_csv(
    project: Entity,
    csv_file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Create the assets that a CSV file lists. Returns them."""
    return send(
        "import_assets_with_csv",
        project=project,
        csv_file_path=csv_file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def import_shots_with_csv(
    project: Entity,
    csv_file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Create the shots that a CSV file lists. Returns them."""
    return send(
        "import_shots_with_csv",
        project=project,
        csv_file_path=csv_file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def import_otio(
    project: Entity,
    otio_file_path: str,
    episode: Entity | None = None,
    naming_convention: str | None = None,
    match_case: bool = True,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Create or update shots from an editorial file (OTIO, EDL, XML)."""
    return send(
        "import_otio",
        project=project,
        otio_file_path=otio_file_path,
        episode=episode,
        naming_convention=naming_convention,
        match_case=match_case,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def export_assets_with_csv(
    project: Entity,
    csv_file_path: str,
    episode: Entity | None = None,
    assigned_to: Entity | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a project's assets as a CSV file."""
    return send(
        "export_assets_with_csv",
        project=project,
        csv_file_path=csv_file_path,
        episode=episode,
        assigned_to=assigned_to,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def export_shots_with_csv(
    project: Entity,
    csv_file_path: str,
    episode: Entity | None = None,
    assigned_to: Entity | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a project's shots as a CSV file."""
    return send(
        "export_shots_with_csv",
        project=project,
        csv_file_path=csv_file_path,
        episode=episode,
        assigned_to=assigned_to,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )
