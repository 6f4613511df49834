"""What a message may have OpenColorIO read, and that reading it stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import PyOpenColorIO as ocio  # noqa: N813
import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import FarmTasksError, FileMissing, InvalidArgument, OutsideRoots
from farm_tasks.media import configuration
from farm_tasks.media.configuration import Configuration

CUBE = "LUT_1D_SIZE 2\n0 0 0\n0.5 0.5 0.5\n"
REFERENCE = """<?xml version="1.0"?>
<ProcessList id="1" version="1.7"><Reference inBitDepth="32f" outBitDepth="32f" path="{}"/>
</ProcessList>
"""
TEXT = """ocio_profile_version: 2
{more}
search_path: {search}
roles: {{default: lin, scene_linear: lin}}
file_rules:
  - !<Rule> {{name: Default, colorspace: lin}}
looks:
  - !<Look> {{name: graded, process_space: lin, transform: {look}}}
displays:
  d:
    - !<View> {{name: v, colorspace: out, looks: graded}}
colorspaces:
  - !<ColorSpace> {{name: lin}}
  - !<ColorSpace>
    name: out
    from_scene_reference: {space}
"""
NOTHING = "!<MatrixTransform> {}"


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder with ``in`` to read, with tables in ``in/luts``, and ``elsewhere``."""
    for name in ("in/luts", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "half.cube").write_text(CUBE)
    return tmp_path


def table(source: str | Path) -> str:
    return f'!<FileTransform> {{src: "{source}", interpolation: linear}}'


def halved(
    roots: Path,
    space: str = NOTHING,
    look: str = NOTHING,
    search: str | Path = "luts",
    more: str = "",
) -> float:
    """What becomes of 1.0 in a task whose message names such a configuration."""
    file = roots / "in" / "config.ocio"
    file.write_text(TEXT.format(space=space, look=look, search=search, more=more))
    return of_message(roots, file)


def of_message(roots: Path, file: Path) -> float:
    with Confinement([roots / "in"], []):
        processor = Configuration(str(file)).processor(
            ocio.DisplayViewTransform("lin", "d", "v"), "lin to d, v"
        )
        return float(processor.applyRGB([1.0, 1.0, 1.0])[0])


def test_tables_under_the_read_roots_are_used_wherever_they_are_named(roots: Path) -> None:
    assert halved(roots, table("half.cube")) == 0.5
    assert halved(roots, table(roots / "in" / "luts" / "half.cube"), search="none") == 0.5
    assert halved(roots, table("half.cube"), table("half.cube")) == 0.25
    assert halved(roots, table("half.cube"), search=f"{roots}/nowhere:luts") == 0.5


def test_a_table_that_was_changed_is_read_again(roots: Path) -> None:
    assert halved(roots, table("half.cube")) == 0.5
    (roots / "in" / "luts" / "half.cube").write_text(CUBE.replace("0.5", "0.25"))
    assert halved(roots, table("half.cube")) == 0.25


@pytest.mark.parametrize("way", ["absolute", "relative", "search path", "link", "look", "table"])
def test_a_table_outside_the_read_roots_is_not_read_whatever_names_it(
    way: str, roots: Path
) -> None:
    outside = roots / "elsewhere" / "half.cube"
    (roots / "in" / "luts" / "link.cube").symlink_to(outside)
    (roots / "in" / "luts" / "half.cube").unlink()
    (roots / "in" / "luts" / "other.ctf").write_text(REFERENCE.format(outside))
    given = {
        "absolute": {"space": table(outside)},
        "relative": {"space": table("../../elsewhere/half.cube")},
        "search path": {"space": table("half.cube"), "search": outside.parent},
        "link": {"space": table("link.cube")},
        "look": {"look": table(outside)},
        "table": {"space": table("other.ctf")},
    }[way]
    with pytest.raises(OutsideRoots, match="color_config: look-up table"):
        halved(roots, **given)  # type: ignore[arg-type]


def test_a_table_that_is_none_is_not_opened_by_another_way(roots: Path) -> None:
    (roots / "in" / "luts" / "half.cube").write_text("no table")
    with pytest.raises(InvalidArgument, match="OpenColorIO cannot do that"):
        halved(roots, table("half.cube"))
    (roots / "in" / "luts" / "half.cube").write_text("")
    with pytest.raises(InvalidArgument, match="OpenColorIO cannot do that"):
        halved(roots, table("half.cube"))


def test_a_table_that_is_gone_is_named(roots: Path) -> None:
    with pytest.raises(FileMissing, match=r"look-up table .*/in/luts/gone\.cube does not exist"):
        halved(roots, table("gone.cube"))


def test_tables_and_the_configuration_are_limited_in_size(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "MOST_TABLES", 2 * len(CUBE) - 1)
    (roots / "in" / "luts" / "other.cube").write_text(CUBE)
    assert halved(roots, table("half.cube"), table("half.cube")) == 0.25
    with pytest.raises(InvalidArgument, match="may be read"):
        halved(roots, table("half.cube"), table("other.cube"))
    monkeypatch.setattr(configuration, "MOST_CONFIGURATION", 100)
    with pytest.raises(InvalidArgument, match=r"config\.ocio has .* may be read"):
        halved(roots)


PROGRAM = """
import sys
from pathlib import Path
from tests.media.test_configuration import halved, of_message, table
from farm_tasks.errors import InvalidArgument
roots = Path(sys.argv[1])
for source in ("pipe.cube", roots / "in" / "luts" / "pipe.cube", "pipe.ctf", "/dev/zero"):
    try:
        halved(roots, table(source))
    except Exception as error:
        print(type(error).__name__)
try:
    of_message(roots, roots / "in" / "luts" / "pipe.cube")
except InvalidArgument:
    print("refused")
"""


def test_a_pipe_or_a_device_in_a_files_place_is_refused_and_waited_for_by_nobody(
    roots: Path,
) -> None:
    """In a process of its own: what this is about could not be interrupted."""
    os.mkfifo(roots / "in" / "luts" / "pipe.cube")
    (roots / "in" / "luts" / "pipe.ctf").write_text(
        REFERENCE.format(roots / "in" / "luts" / "pipe.cube")
    )
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(roots)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.stdout.split() == [*["InvalidArgument"] * 3, "OutsideRoots", "refused"], (
        ended.stderr
    )


@pytest.mark.parametrize("more", ["", "environment: {SECRET_OF_THE_WORKER: none}"])
def test_a_message_sees_no_variable_of_the_worker(
    more: str, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "xyzzy")
    (roots / "in" / "luts" / "xyzzy.cube").write_text(CUBE)
    with pytest.raises(FarmTasksError) as caught:
        halved(roots, table("$SECRET_OF_THE_WORKER.cube"), more=more)
    assert "xyzzy" not in str(caught.value)


def test_a_configurations_own_variables_have_their_defaults(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEVEL", "other")
    assert halved(roots, table("${LEVEL}.cube"), more="environment: {LEVEL: half}") == 0.5


def test_what_is_no_text_is_refused(roots: Path) -> None:
    file = roots / "in" / "config.ocioz"
    for content, said in ((b"PK\3\4...", "archive"), (TEXT.encode("utf-16"), "UTF-8")):
        file.write_bytes(content)
        with pytest.raises(InvalidArgument, match=said):
            of_message(roots, file)


def test_the_workers_own_configuration_is_trusted(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = roots / "elsewhere" / "config.ocio"
    file.write_text(TEXT.format(space=table("half.cube"), look=NOTHING, search=".", more=""))
    monkeypatch.setenv("OCIO", str(file))
    with Confinement([roots / "in"], []):
        transform = ocio.DisplayViewTransform("lin", "d", "v")
        processor = Configuration(None).processor(transform, "lin to d, v")
    assert processor.applyRGB([1.0, 1.0, 1.0])[0] == 0.5
