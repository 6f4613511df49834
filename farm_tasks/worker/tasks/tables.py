"""Shots and assets in bulk. See :mod:`farm_tasks.kitsu.operations.tables`."""

from __future__ import annotations

from typing import Any

from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.import_assets_with_csv")
def import_assets_with_csv(
    self: TransferTask,
    project: str,
    csv_file_path: str,
) -> list[dict[str, Any]]:
    """Create the assets that a CSV file lists. Returns them."""
    return self.transfer(
        operations.import_assets_with_csv,
        project,
        self.source(csv_file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.import_shots_with_csv")
def import_shots_with_csv(
    self: TransferTask,
    project: str,
    csv_file_path: str,
) -> list[dict[str, Any]]:
    """Create the shots that a CSV file lists. Returns them."""
    return self.transfer(
        operations.import_shots_with_csv,
        project,
        self.source(csv_file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.import_otio")
def import_otio(
    self: TransferTask,
    project: str,
    otio_file_path: str,
    episode: str | None = None,
    naming_convention: str | None = None,
    match_case: bool = True,
) -> dict[str, Any]:
    """Create or update shots from an editorial file (OTIO, EDL, XML)."""
    return self.transfer(
        operations.import_otio,
        project,
        self.source(otio_file_path),
        episode=episode,
        naming_convention=naming_convention,
        match_case=match_case,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.export_assets_with_csv")
def export_assets_with_csv(
    self: TransferTask,
    project: str,
    csv_file_path: str,
    episode: str | None = None,
    assigned_to: str | None = None,
) -> dict[str, Any]:
    """Download a project's assets as a CSV file."""
    return self.transfer(
        operations.export_assets_with_csv,
        project,
        csv_file_path=self.target(csv_file_path),
        episode=episode,
        assigned_to=assigned_to,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.export_shots_with_csv")
def export_shots_with_csv(
    self: TransferTask,
    project: str,
    csv_file_path: str,
    episode: str | None = None,
    assigned_to: str | None = None,
) -> dict[str, Any]:
    """Download a project's shots as a CSV file."""
    return self.transfer(
        operations.export_shots_with_csv,
        project,
        csv_file_path=self.target(csv_file_path),
        episode=episode,
        assigned_to=assigned_to,
    )
