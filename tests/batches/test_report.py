from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from farm_tasks.batches.report import ReportRow, check_path, write
from farm_tasks.batches.tables import read_table
from farm_tasks.errors import ExtensionRefused, FileUnreadable, InvalidArgument
from farm_tasks.plain_text import plain


def failed() -> ReportRow:
    row = ReportRow(
        2, "demo/SQ01/SH010/comp", ["/a.tif", "/b,\n\udcff.tif"], note='=HYPERLINK("x")'
    )
    row.fail("refused", ExtensionRefused('Kitsu takes no tif; "really"'))
    return row


def test_a_json_report_has_an_object_per_item(tmp_path: Path) -> None:
    write(tmp_path / "report.json", [failed()])
    (row,) = json.loads((tmp_path / "report.json").read_text())
    assert row["state"] == "refused"
    assert (row["error_type"], row["exit_code"]) == ("ExtensionRefused", 5)
    assert row["files"] == ["/a.tif", "/b,\n\udcff.tif"]
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_a_csv_report_can_be_read_again_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.CSV"
    write(path, [failed(), failed()])
    rows = read_table(path.read_bytes(), "report")
    assert len(rows) == 2
    assert rows[0].cells["files"] == "/a.tif\n/b,\\x0a\\udcff.tif"
    assert rows[0].cells["note"] == '\'=HYPERLINK("x")'
    header = next(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert header[:5] == ["row", "target", "files", "state", "error_type"]


@pytest.mark.parametrize("name", ["report.csv", "report.json"])
def test_a_report_on_a_terminal_runs_nothing(tmp_path: Path, name: str) -> None:
    nasty = "\x1b]0;x\x07\x7f\x9b31m\u202e\ttwo"
    row = ReportRow(2, nasty, [f"/{nasty}.png"], urls=[nasty], note=nasty)
    row.fail("refused", ExtensionRefused(f"first,\r\nsecond {nasty}"))
    write(tmp_path / name, [row])
    written = (tmp_path / name).read_text(encoding="utf-8-sig")
    assert not {one for one in written if not one.isprintable()} - {"\n", "\r"}
    read = read_table((tmp_path / name).read_bytes(), name)[0].cells
    assert read["target"] == plain(nasty)
    assert read["error"] == f"first, second {plain(nasty)}"
    if name.endswith("json"):
        assert read["files"] == [f"/{nasty}.png"], "a program opens it"


def test_a_report_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write(path, [failed()])
    with path.open() as old:
        write(path, [])
        assert json.load(old) != []
    assert json.loads(path.read_text()) == []


def test_where_a_report_cannot_be_is_known_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for name, message in [("a.txt", "json"), ("no/a.json", "not there"), ("folder.json", "folder")]:
        with pytest.raises(InvalidArgument, match=message):
            check_path(tmp_path / name)


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(FileUnreadable, match="cannot be written"):
        write(tmp_path / "report.json", [])
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
