"""What is checked before a byte is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farm_tasks.errors import FileUnreadable
from farm_tasks.kitsu.checks import readable_file

NOBODY = 65534


def test_a_file_that_this_user_may_not_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "closed.blend"
    path.write_bytes(b"content")
    path.chmod(0)
    tmp_path.chmod(0o755)
    if os.getuid():
        with pytest.raises(FileUnreadable, match=r"closed\.blend cannot be read"):
            readable_file(path)
        return
    # Nothing is closed to root, so a child that is nobody looks.
    folder = os.open(tmp_path, os.O_RDONLY)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.fchdir(folder)
            os.setuid(NOBODY)
            readable_file("closed.blend")
        except FileUnreadable as error:
            code = 0 if "closed.blend cannot be read" in str(error) else 2
        finally:
            os._exit(code)
    os.close(folder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
