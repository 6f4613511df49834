from __future__ import annotations

import os
from pathlib import Path

from farm_tasks.sandbox import postgres


def test_the_folder_is_where_postgres_may_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    folder = postgres.make_folder(closed)

    try:
        assert folder == closed / "postgres"
        assert postgres.make_folder(closed) == folder
        # Only root has to let somebody else in.
        assert folder.is_symlink() == (os.geteuid() == 0)
        assert all(
            parent.stat().st_mode & 0o001 or parent.stat().st_uid == os.geteuid() != 0
            for parent in (folder.resolve(), *folder.resolve().parents)
        )
    finally:
        postgres.remove_folder(closed)
    assert list(closed.iterdir()) == []


def test_a_link_whose_target_was_cleaned_away_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.symlink_to(tmp_path / "gone")

    assert postgres.make_folder(tmp_path).is_dir()
    postgres.remove_folder(tmp_path)
