"""What one file is called on each system."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from farm_tasks import path_map
from farm_tasks.errors import NotConfigured
from farm_tasks.path_map import PathMap
from farm_tasks.path_roots import SYSTEMS
from tests.support.environment import environment_of

STUDIO = r"""
[projects]
linux = "/mnt/projects"
windows = ['P:\', '\\filer\projects']
macos = "/Volumes/projects/"

[textures]
linux = ["/mnt/textures", "/srv/textures"]
windows = 'P:\textures'

[cache]
canonical = "/cache"
linux = "/mnt/projects/cache"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "paths.toml"
    file.write_text(text)
    return file


def loaded(folder: Path, text: str) -> PathMap:
    return PathMap.load(written(folder, text))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> PathMap:
    text = STUDIO.replace("[cache]", "[cache]\nwindows = 'P:\\cache'")
    text += 'macos = "/Volumes/projects/cache"\n'
    text = text.replace("projects']", "projects', 'Q:']")
    text = text.replace("'P:\\cache'", "['P:\\cache', '\\\\filer\\projects\\cache', 'Q:\\cache']")
    return loaded(tmp_path_factory.mktemp("map"), text)


@pytest.mark.parametrize(
    "path",
    [
        r"P:\demo\a.mov",
        r"p:\demo\a.mov",
        "P:/demo/a.mov",
        r"P:\demo/a.mov",
        r"P:\\demo\.\a.mov",
        r"Q:\demo\a.mov",
        r"\\filer\projects\demo\a.mov",
        r"\\FILER\Projects\demo\a.mov",
        "//filer/projects/demo/a.mov",
        r"\\?\P:\demo\a.mov",
        "//?/P:/demo/a.mov",
        r"\\?\UNC\filer\projects\demo\a.mov",
        "/mnt/projects/demo/a.mov",
        "/mnt//projects/./demo/a.mov",
        "/mnt/projects/demo/a.mov/",
        "/Volumes/projects/demo/a.mov",
    ],
)
def test_every_name_of_a_file_has_one_canonical_form(studio: PathMap, path: str) -> None:
    mapped = studio.to_canonical(path)
    assert mapped.path == "/mnt/projects/demo/a.mov"
    assert mapped.rule is not None
    assert mapped.rule.table == "projects"


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/project/a",
        "/mnt/projects2/a",
        "/mnt/projects\\a",
        "/mnt",
        "/MNT/projects/a",
        r"P:a",
        r"\\filer\projects2\a",
        r"\\filer",
        r"\\.\P:\a",
        r"\\?\Volume{1}\a",
        r"\a",
        "//mnt/projects/a",
        "R:\\a",
        "projects/a",
        "",
        ".",
    ],
)
def test_a_path_that_is_under_no_root_stays_as_it_is(studio: PathMap, path: str) -> None:
    for mapped in (studio.to_canonical(path), studio.to_local(path, "windows")):
        assert mapped.path == path
        assert mapped.rule is None
        assert mapped.why


def test_the_longest_root_wins_whichever_comes_first(studio: PathMap) -> None:
    for path, canonical, table in (
        (r"P:\textures\a.exr", "/mnt/textures/a.exr", "textures"),
        (r"P:\Textures", "/mnt/textures", "textures"),
        (r"P:\textures2\a.exr", "/mnt/projects/textures2/a.exr", "projects"),
        (r"P:\cache\a.abc", "/cache/a.abc", "cache"),
        ("/mnt/projects/cache/a.abc", "/cache/a.abc", "cache"),
        ("/mnt/projects/a.abc", "/mnt/projects/a.abc", "projects"),
    ):
        mapped = studio.to_canonical(path)
        assert (mapped.path, mapped.rule and mapped.rule.table) == (canonical, table)


def test_each_system_gets_its_own_path(studio: PathMap) -> None:
    found = {one: studio.to_local("/mnt/projects/demo/a.mov", one).path for one in SYSTEMS}
    assert found == {
        "linux": "/mnt/projects/demo/a.mov",
        "windows": r"P:\demo\a.mov",
        "macos": "/Volumes/projects/demo/a.mov",
    }
    assert studio.to_local("/mnt/projects", "windows").path == "P:\\"
    assert studio.to_local(r"P:\demo\a.mov", "macos").path == "/Volumes/projects/demo/a.mov"


def test_a_path_is_left_alone_on_a_system_that_has_no_root_for_it(studio: PathMap) -> None:
    mapped = studio.to_local("/mnt/textures/a", "macos")
    assert (mapped.path, mapped.rule) == ("/mnt/textures/a", None)
    assert "[textures]" in mapped.why
    assert "macos" in mapped.why


def test_a_path_that_would_come_back_as_another_one_is_left_alone(studio: PathMap) -> None:
    # On Windows P:\textures is another place than on Linux /mnt/projects/textures.
    mapped = studio.to_local("/mnt/projects/textures/a", "windows")
    assert (mapped.path, mapped.rule) == ("/mnt/projects/textures/a", None)
    assert "[textures]" in mapped.why


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/projects/../secret",
        "/mnt/projects/a/../../secret",
        "/mnt/projects/a/./../../projects/b",
        r"P:\..\secret",
        "P:/a/../../secret",
        r"\\filer\projects\..\other\x",
        "/mnt/textures/..",
    ],
)
def test_a_path_that_climbs_out_of_its_root_is_not_mapped(studio: PathMap, path: str) -> None:
    for mapped in (studio.to_canonical(path), studio.to_local(path, "windows")):
        assert (mapped.path, mapped.rule) == (path, None)
        assert "'..'" in mapped.why


def test_dots_within_the_root_are_kept_for_links_decide_where_they_lead(studio: PathMap) -> None:
    assert studio.to_canonical(r"P:\a\..\b").path == "/mnt/projects/a/../b"
    assert studio.to_local("/mnt/projects/a/../b", "windows").path == r"P:\a\..\b"


@pytest.mark.parametrize("name", ["a\\b", "..\\..\\secret", "\\"])
def test_a_name_that_windows_would_read_as_a_path_is_not_taken_there(
    studio: PathMap, name: str
) -> None:
    path = f"/mnt/projects/{name}"
    assert studio.to_local(path, "windows").path == path
    assert studio.to_local(path, "macos").path == f"/Volumes/projects/{name}"


def test_nor_is_it_where_windows_has_the_canonical_form(tmp_path: Path) -> None:
    mapping = loaded(tmp_path, "[a]\nlinux = '/a'\ncanonical = 'P:\\'")
    assert mapping.to_canonical("/a/b/c").path == r"P:\b\c"
    assert mapping.to_canonical(r"/a/..\c").path == r"/a/..\c"


def test_of_several_roots_this_machine_takes_one_that_it_has(tmp_path: Path) -> None:
    text = f"[a]\nlinux = ['/nowhere/a', '{tmp_path}', '/']"
    system = path_map.this_system()
    mapping = loaded(tmp_path, text.replace("linux", system) + "\ncanonical = '/a'")
    assert mapping.to_local("/a/x").path == str(tmp_path / "x")
    assert mapping.to_local("/a/x", system).path == "/nowhere/a/x"
    assert mapping.to_canonical(str(tmp_path / "x")).path == "/a/x"


def test_only_upper_and_lower_case_between_a_path_and_its_root_is_told(studio: PathMap) -> None:
    assert "upper and lower case" in studio.to_canonical("/mnt/Projects/a").why
    assert "upper and lower case" not in studio.to_canonical("/mnt/other/a").why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no place"),
        ("linux = '/a'", "linux stands outside of a table"),
        ("[a]\nwindows = 'P:\\a'", "[a] linux: it is missing"),
        ("[a]\nlinux = 'mnt/a'", "[a] linux: 'mnt/a' is not an absolute path of Linux"),
        ("[a]\nlinux = 'P:\\a'", "[a] linux"),
        ("[a]\nlinux = '/a'\nwindows = '/a'", "[a] windows: '/a'"),
        ("[a]\nlinux = '/a'\nwindows = ['P:\\', 7]", "[a] windows"),
        ("[a]\nlinux = []", "[a] linux"),
        ("[a]\nlinux = '/a/../b'", "[a] linux: '/a/../b' has '..'"),
        ("[a]\nlinux = '/a'\ncanonical = ['/b']", "[a] canonical"),
        ("[a]\nlinux = '/a'\nwindow = 'P:\\'", "[a] window: no such key"),
        ("[a]\nlinux = '/a'\n[a.b]\nlinux = '/b'", "[a] b: no such key"),
        ("[a]\nlinux = '/a'\nwindows = \"P:\\temp\"", "single quotes"),
        ("[a]\nlinux = '/a'\nwindows = \"P:\\projects\"", "single quotes"),
        ("[a\n", "it is no TOML"),
        ("[a]\nlinux = '/x'\n[b]\nlinux = '/x/'", "[a] linux /x and [b] linux /x"),
        (
            "[a]\nlinux = '/a'\nwindows = 'p:/X'\n[b]\nlinux = '/b'\nwindows = 'P:\\x'",
            r"[a] windows P:\X and [b] windows P:\x",
        ),
        ("[a]\nlinux = '/x'\n[b]\nlinux = '/b'\ncanonical = '/x'", "[a] linux /x and [b]"),
        (
            "[a]\nlinux = '/a'\nwindows = 'P:\\'\n[b]\nlinux = '/a/b'\ncanonical = '/b'",
            r"[b] linux /a/b lies under [a] linux /a",
        ),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NotConfigured, match=re.escape(said)) as caught:
        loaded(tmp_path, text)
    assert f"FARM_TASKS_PATH_MAP {tmp_path / 'paths.toml'}" in str(caught.value)


def test_a_map_that_is_not_there_is_refused_when_it_is_wanted(tmp_path: Path) -> None:
    with (
        environment_of({"FARM_TASKS_PATH_MAP": str(tmp_path / "gone")}),
        pytest.raises(NotConfigured, match="gone: it cannot be read"),
    ):
        path_map.current()
    with environment_of({}):
        assert path_map.current() is None


def test_one_path_on_two_systems_of_one_place_is_no_contradiction(tmp_path: Path) -> None:
    mapping = loaded(tmp_path, "[a]\nlinux = '/a'\nmacos = '/a'\ncanonical = '/a'")
    assert mapping.to_local("/a/x", "macos").path == "/a/x"


def test_a_mark_that_windows_editors_write_first_is_read_over(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeff[a]\nlinux = '/a'").tables == ["a"]


# Few names, so that roots lie in each other and paths under them.
_NAMES = st.lists(st.sampled_from(["a", "b", "A", "ab"]), max_size=3)
_POSIX = _NAMES.map(lambda names: "/" + "/".join(names))
_WINDOWS = st.builds(
    lambda start, names, end: start + "\\".join(names) + end,
    st.sampled_from(["P:\\", "p:/", "\\\\s\\t\\", "//S/T/", "\\\\?\\P:\\", "\\\\?\\UNC\\s\\t\\"]),
    _NAMES,
    st.sampled_from(["", "/", "\\"]),
)
_TABLES = st.fixed_dictionaries(
    {"linux": st.lists(_POSIX, min_size=1, max_size=2)},
    optional={
        "windows": st.lists(_WINDOWS, min_size=1, max_size=2),
        "macos": _POSIX,
        "canonical": st.one_of(_POSIX, _WINDOWS),
    },
)
_MAPS = st.lists(_TABLES, min_size=1, max_size=3)
_BELOW = st.lists(st.sampled_from(["a", "b", "A", "ab", "..", ".", "", "b\\a"]), max_size=4)
_PATHS = st.builds(
    lambda root, names: "/".join([root, *names]), st.one_of(_POSIX, _WINDOWS), _BELOW
)


def made(folder: Path, tables: list[dict[str, object]]) -> PathMap:
    lines = []
    for number, table in enumerate(tables):
        lines.append(f"[t{number}]")
        lines += [f"{key} = {value!r}".replace("\\\\", "\\") for key, value in table.items()]
    try:
        return loaded(folder, "\n".join(lines))
    except NotConfigured as error:
        assume("one path in two places" not in str(error) and "mapped twice" not in str(error))
        raise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


@given(_MAPS, _PATHS)
@example([{"linux": ["/a"], "windows": ["P:\\"]}, {"linux": ["/b"], "windows": ["P:\\a"]}], "/a/a")
@example([{"linux": ["/"], "canonical": "P:\\"}, {"linux": ["/a"], "windows": ["P:\\a"]}], "/A")
@example([{"linux": ["/", "/a"], "windows": ["P:\\a"], "canonical": "P:\\"}], "/A")
def test_canonical_forms_are_stable_and_come_back_from_every_system(
    folder: Path, tables: list[dict[str, object]], path: str
) -> None:
    mapping = made(folder, tables)
    canonical = mapping.to_canonical(path)
    assert mapping.to_canonical(canonical.path).path == canonical.path
    for start, system in itertools.product((path, canonical.path), SYSTEMS):
        local = mapping.to_local(start, system)
        assert mapping.to_canonical(local.path).path == canonical.path
        assert local.rule is not None or local.path == start


@given(st.lists(_POSIX, min_size=1, max_size=6, unique=True), _POSIX)
def test_the_longest_root_that_holds_a_path_is_used(
    folder: Path, roots: list[str], path: str
) -> None:
    mapping = loaded(folder, "".join(f"['{one}']\nlinux = '{one}'\n" for one in roots))
    holding = [one for one in roots if f"{path}/".startswith(one.rstrip("/") + "/")]
    used = mapping.to_canonical(path).rule
    assert (used and used.table) == (max(holding, key=len) if holding else None)


@given(_POSIX.filter(lambda root: root != "/"), st.sampled_from(["2", " ", "-old", ".bak", "\\x"]))
def test_a_root_holds_nothing_that_only_begins_like_it(folder: Path, root: str, more: str) -> None:
    mapping = loaded(folder, f"[t]\nlinux = '{root}'\ncanonical = '/elsewhere'")
    assert mapping.to_canonical(f"{root}/x").path == "/elsewhere/x"
    assert mapping.to_canonical(f"{root}{more}/x").path == f"{root}{more}/x"


@given(st.text(max_size=40))
@example("\\\\?\\UNC\\")
@example("\\\\?\\UNC")
@example("\\\\s\\")
@example("//")
@example("P:\ud800")
def test_any_text_may_be_asked_for(folder: Path, text: str) -> None:
    mapping = loaded(folder, "[t]\nlinux = '/'\nwindows = 'P:/'")
    for system in SYSTEMS:
        back = mapping.to_canonical(mapping.to_local(text, system).path).path
        assert back == mapping.to_canonical(text).path
