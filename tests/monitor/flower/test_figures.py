from __future__ import annotations

import json
from types import SimpleNamespace

from farm_tasks.monitor.flower.figures import as_json, file_in


def test_the_file_is_known_before_the_first_byte_moves() -> None:
    assert file_in("{'comment': 'c1', 'file_path': '/projects/a.mov'}") == "/projects/a.mov"
    for other in (
        None,
        "{}",
        "{'file_path': '/projects/a...",
        "[1]",
        "{'file_path': 3}",
        "{[]: 1}",
        "-" * 9999,
    ):
        assert file_in(other) is None


def test_nothing_in_a_task_can_end_the_script_element() -> None:
    task = SimpleNamespace(uuid="1", file="</script><script>alert(1)</script>&amp;")
    text = as_json(task, read_only=False)
    assert not set("<>&") & set(text)
    assert json.loads(text)["file"] == task.file
