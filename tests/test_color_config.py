"""An OCIO config is a file or a name, for whoever hands over a publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.batches.rows import read_rows
from farm_tasks.batches.tables import TableRow
from farm_tasks.farms import client
from farm_tasks.submit.sending import portable

NAMES = ["ocio://default", "ocio://a.ocio", "cg-config-v2.2.0_aces-v1.3_ocio-v2.4", "default"]
PATHS = {
    "studio.ocio": "{here}/studio.ocio",
    "sub/studio.OCIOZ": "{here}/sub/studio.OCIOZ",
    "colours": "{here}/colours",
    "/p/studio.ocio": "/p/studio.ocio",
    "P:\\studio.ocio": "P:\\studio.ocio",
}


@pytest.mark.parametrize("given", [*NAMES, *PATHS])
def test_a_file_becomes_absolute_and_a_name_stays_whoever_hands_it_over(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "colours").write_text("a config by another name")
    monkeypatch.chdir(tmp_path)
    cells = {"task": "t", "file": "a.mov", "color_config": given}
    [row] = read_rows([TableRow(2, cells)], tmp_path)
    made = {
        "submit": portable("publish", {"color_config": given})["color_config"],
        "client": client._absolute({"color_config": given})["color_config"],
        "batches": row.arguments["color_config"],
    }
    wanted = PATHS.get(given, given).format(here=tmp_path)
    assert made == dict.fromkeys(made, wanted)


def test_the_config_of_a_list_lies_beside_the_list_and_that_of_an_option_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farm_tasks.cli.batch_publish import _rows

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    rows = tmp_path / "list.csv"
    rows.write_text("task,frames,fps,color_config\nt,a.#.exr,24,its.ocio\nt,b.#.exr,24,\n")
    defaults = {"color_config": "ours.ocio", "logo": "logo.png", "burn_in": ()}
    own, common = (one.arguments for one in _rows(rows, None, defaults))
    assert own["color_config"] == f"{tmp_path}/its.ocio"
    assert common["color_config"] == f"{here}/ours.ocio"
    assert common["logo"] == f"{here}/logo.png"
