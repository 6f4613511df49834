"""Shots and assets in bulk: CSV both ways, and OpenTimelineIO in."""

from __future__ import annotations

from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.kitsu.calls import download, upload
from farm_tasks.kitsu.checks import (
    readable_file,
)
from farm_tasks.transfer.progress import ProgressCallback


def import_assets_with_csv(
    project: Entity,
    csv_file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Create the assets that a CSV file lists. Returns them."""
    return upload(
        gazu.asset.import_assets_with_csv,
        entity_id("project", project),
        readable_file(csv_file_path),
        client=client,
        progress_callback=progress_callback,
    )


def import_shots_with_csv(
    project: Entity,
    csv_file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Create the shots that a CSV file lists. Returns them."""
    return upload(
        gazu.shot.import_shots_with_csv,
        entity_id("project", project),
        readable_file(csv_file_path),
        client=client,
        progress_callback=progress_callback,
    )


def import_otio(
    project: Entity,
    otio_file_path: str,
    episode: Entity | None = None,
    naming_convention: str | None = None,
    match_case: bool = True,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Create or update shots from an editorial file (OTIO, EDL, XML).

    Returns ``{"created_shots": [...], "updated_shots": [...]}``.
    """
    return upload(
        gazu.shot.import_otio,
        entity_id("project", project),
        readable_file(otio_file_path),
        episode=None if episode is None else entity_id("episode", episode),
        naming_convention=naming_convention,
        match_case=match_case,
        client=client,
        progress_callback=progress_callback,
    )


def export_assets_with_csv(
    project: Entity,
    csv_file_path: str,
    episode: Entity | None = None,
    assigned_to: Entity | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a project's assets as a CSV file."""
    return download(
        gazu.asset.export_assets_with_csv,
        entity_id("project", project),
        path_argument="csv_file_path",
        csv_file_path=csv_file_path,
        episode=None if episode is None else entity_id("episode", episode),
        assigned_to=None if assigned_to is None else entity_id("assigned_to", assigned_to),
        client=client,
        progress_callback=progress_callback,
    )


def export_shots_with_csv(
    project: Entity,
    csv_file_path: str,
    episode: Entity | None = None,
    assigned_to: Entity | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a project's shots as a CSV file."""
    return download(
        gazu.shot.export_shots_with_csv,
        entity_id("project", project),
        path_argument="csv_file_path",
        csv_file_path=csv_file_path,
        episode=None if episode is None else entity_id("episode", episode),
        assigned_to=None if assigned_to is None else entity_id("assigned_to", assigned_to),
        client=client,
        progress_callback=progress_callback,
    )
