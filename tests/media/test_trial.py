"""A configuration of a message that would never be done is given up, from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.confinement import Confinement
from farm_tasks.errors import FarmTasksError, FileMissing, InvalidArgument, OutsideRoots
from farm_tasks.media import Encoding, trial
from farm_tasks.media.colour import DisplayTransform
from farm_tasks.media.picture import Header
from farm_tasks.media.sequence import find_frames
from tests.media.test_configuration import CUBE, NOTHING, TEXT, table
from tests.support.frames import exr_frames


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "half.cube").write_text(CUBE)
    return tmp_path


@pytest.fixture
def first(root: Path) -> tuple[str, Header]:
    return find_frames(exr_frames(root, 1, 1, (8, 8))).first_good


def written(root: Path, space: str, **more: str) -> Encoding:
    file = root / "config.ocio"
    given = {"look": NOTHING, "search": ".", "more": "", **more}
    file.write_text(TEXT.format(space=space, **given))
    return Encoding(color_config=str(file))


def doubled(times: int) -> str:
    """A transform that is in itself twice, and that twice, ..."""
    names = [f"&a{at} !<GroupTransform> {{children: [%s, *a{at + 1}]}}" for at in range(times)]
    text = f"&a{times} !<RangeTransform> {{min_in_value: 0, min_out_value: 0}}"
    for one in reversed(names):
        text = one % text
    return text


def test_a_configuration_without_an_end_is_given_up(
    root: Path, first: tuple[str, Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "CPU_SECONDS", 1)
    with Confinement([root], []):
        with pytest.raises(InvalidArgument, match="too long or too much memory"):
            DisplayTransform(written(root, doubled(40)), *first)
        few = DisplayTransform(written(root, doubled(3)), *first)
    assert few.name == "lin to d, v"


def test_only_what_was_tried_is_read(
    root: Path, first: tuple[str, Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trial.digests_of

    def changed(*given: object) -> dict[str, str]:
        tried = real(*given)  # type: ignore[arg-type]
        assert set(tried) == {str(root / "config.ocio"), str(root / "half.cube")}
        (root / "half.cube").write_text(CUBE.replace("0.5", "0.25"))
        return tried

    monkeypatch.setattr("farm_tasks.media.colour.digests_of", changed)
    encoding = written(root, table("half.cube"))
    with Confinement([root], []), pytest.raises(InvalidArgument, match="was changed while"):
        DisplayTransform(encoding, *first)


@pytest.mark.parametrize(
    ("source", "error"), [("gone.cube", FileMissing), ("/dev/zero", OutsideRoots)]
)
def test_what_is_wrong_is_said_as_if_there_were_no_trial(
    source: str, error: type[FarmTasksError], root: Path, first: tuple[str, Header]
) -> None:
    encoding = written(root, table(source))
    with Confinement([root], []), pytest.raises(error, match=source):
        DisplayTransform(encoding, *first)
