from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_tasks.batches.naming import Template, distinct, safe
from farm_tasks.errors import InvalidArgument


@given(st.text())
def test_a_name_from_kitsu_is_one_harmless_part_of_a_path(name: str) -> None:
    made = safe(name)
    assert made
    assert not set(made) & set('/\\:*?"<>|\0\n')
    assert made[0] not in ".- "
    assert len(made.encode()) <= 48
    assert made.isprintable()


def test_names_that_are_fine_stay_as_they_are() -> None:
    assert safe("SH_010é") == "SH_010é"
    assert safe("..") == "unnamed"
    assert safe("a/../b") == "a-..-b"


@pytest.mark.parametrize("name", ["CON", "nul.tar", "Com1", "LPT9 .x", "COM\u00b9", "prn", "Aux"])
def test_a_name_that_windows_takes_for_a_device_has_a_line_in_front(name: str) -> None:
    assert distinct(f"{name}/{name}.png", "9", set()) == f"_{name}/_{name}.png"


@pytest.mark.parametrize(
    "name", ["CONE", "com", "com10", "_nul", "lamp.aux", "SQ_con", "Auxiliary"]
)
def test_a_name_that_is_near_that_of_a_device_stays(name: str) -> None:
    assert distinct(f"{name}/{name}.png", "9", set()) == f"{name}/{name}.png"


def test_a_template_makes_no_device_of_parts_that_are_none() -> None:
    template = Template("{sequence}/co{name}/com{revision}.{extension}")
    values = {**SHOT, "sequence": "NUL", "name": "n", "extension": "aux"}
    assert distinct(template.fill(values), "9", set()) == "_NUL/_con/_com3.aux"


@pytest.mark.parametrize(
    ("shape", "number"), [("03", "003"), ("03d", "003"), ("d", "3"), ("", "3"), ("0", "3")]
)
def test_the_revision_may_have_zeros_in_front(shape: str, number: str) -> None:
    assert Template(f"{{revision:{shape}}}.{{extension}}").fill(SHOT) == f"{number}.mp4"


SHOT = {
    "project": "Demo", "episode": "", "sequence": "SQ/01", "shot": "SH010", "task_type": "comp",
    "revision": 3, "position": "_2", "name": "beauty", "extension": "mp4", "id": "1a2b3c4d",
}  # fmt: skip


def test_a_template_makes_folders_of_safe_names() -> None:
    template = Template(
        "{project}/{sequence}/{shot}/{task_type}/v{revision:03}{position}.{extension}"
    )
    assert template.fill(SHOT) == "Demo/SQ-01/SH010/comp/v003_2.mp4"


def test_a_folder_whose_name_would_be_empty_is_left_out() -> None:
    assert Template("{episode}/{shot}.{extension}").fill(SHOT) == "SH010.mp4"


def test_a_file_whose_name_would_be_empty_or_hidden_is_called_by_its_id() -> None:
    assert Template("{shot}/{episode}.{extension}").fill(SHOT) == "SH010/1a2b3c4d.mp4"
    assert Template("{name}.{extension}").fill({**SHOT, "extension": ""}) == "beauty"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{shott}.{extension}", "shot"),
        ("../{shot}.{extension}", r"\.\."),
        ("/etc/{shot}.{extension}", "relative"),
        ("{shot}/{task_type}", "extension"),
        ("{shot:>20}.{extension}", "revision"),
        ("{revision:9d}.{extension}", "zeros"),
        ("{revision:3}.{extension}", "zeros"),
        ("{shot.__class__}.{extension}", "no field"),
        ("a:b{shot}.{extension}", "every system"),
        ("{shot}}.{extension}", "every system"),
    ],
)
def test_a_template_that_cannot_work_says_why(template: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Template(template)


@given(st.dictionaries(st.sampled_from(["sequence", "shot", "task_type", "name"]), st.text()))
def test_a_template_never_leads_out_of_its_folder(values: dict[str, str]) -> None:
    path = Template("{sequence}/{shot}/{task_type}{name}.{extension}").fill({**SHOT, **values})
    assert not path.startswith("/")
    assert all(one and one.strip(".") and one[0] != "." for one in path.split("/"))
    assert len(path.split("/")) <= 3


def test_two_of_one_name_are_told_apart_also_where_case_does_not_count() -> None:
    taken: set[str] = set()
    names = [distinct("a.b/Shot.png", f"{n}2345678-x", taken) for n in range(2)]
    names.append(distinct("A.B/shot.PNG", "12345678-y", taken))
    assert names == ["a.b/Shot.png", "a.b/Shot_12345678.png", "A.B/shot_12345678-y.PNG"]
    assert distinct("a.b/none", "9", taken) == "a.b/none"
    assert distinct("a.b/none", "99999999-9", taken) == "a.b/none_99999999"
