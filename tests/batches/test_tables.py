from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.batches.rows import read_rows
from farm_tasks.batches.tables import read_table
from farm_tasks.errors import InvalidArgument

EXPECTED = [(2, {"task": "demo/SQ01/SH010/comp", "comment": 'first,\nsecond; "third"'})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_table_as_excel_and_others_write_it(encoding: str, delimiter: str, ending: str) -> None:
    header = f"task{delimiter}comment{ending}"
    text = f'{header}demo/SQ01/SH010/comp{delimiter}"first,\nsecond; ""third"""{ending}'
    rows = read_table(text.encode(encoding), "list.csv")
    assert [(one.number, one.cells) for one in rows] == EXPECTED


def test_the_separator_may_be_said_in_excels_way() -> None:
    rows = read_table(b"sep=;\ntask;file,with,commas\na;b\n", "list.csv")
    assert [(one.number, one.cells) for one in rows] == [
        (2, {"task": "a", "file,with,commas": "b"})
    ]


def test_rows_are_counted_as_a_spreadsheet_does() -> None:
    rows = read_table(b'task,comment\na,"two\nlines"\n\n,\nb,x\n', "list.csv")
    assert [one.number for one in rows] == [2, 5]


def test_a_value_without_a_column_is_the_rows_fault_alone() -> None:
    good, bad, also_good = read_table(b"task,file\na,b\nc,d,e\nf,\n", "list.csv")
    assert not good.wrong
    assert "'e' is in no column" in bad.wrong
    assert also_good.cells == {"task": "f"}


def test_a_cell_that_is_too_large_is_the_rows_fault_alone() -> None:
    sizes = {"b": 200_000, "c": 300_000, "d": 10}
    text = "task,comment\n" + "".join(f"{name},{'x' * size}\n" for name, size in sizes.items())
    good, bad, also_good = read_table(text.encode(), "list.csv")
    assert len(good.cells["comment"]) == 200_000
    assert "'comment' has 300,000 characters" in bad.wrong
    assert also_good.cells["task"] == "d"


def test_a_value_within_many_brackets_is_the_lists_fault_or_the_rows() -> None:
    # Reading and showing end at depths that are near each other.
    for depth in range(850, 1000):
        deep = "[" * depth + "]" * depth
        text = f'[{{"task": {deep}}}, {deep}, {{"task": "t", "file": "a"}}]'
        try:
            rows = read_rows(read_table(text.encode(), "list.json"), Path("/"))
        except InvalidArgument as error:
            assert "brackets within brackets" in str(error)  # noqa: PT017 (or none at all)
        else:
            assert [bool(one.error) for one in rows] == [True, True, False]


def test_a_json_list_keeps_its_values() -> None:
    rows = read_table(b'\xef\xbb\xbf [{"task": "a", "previews": ["b", "c"]}, 7]', "list.json")
    assert rows[0].cells == {"task": "a", "previews": ["b", "c"]}
    assert rows[1].number == 2
    assert "not an object" in rows[1].wrong


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"task,file\n", "no rows"),
        (b"[]", "no rows"),
        (b'{"task": 1}', "one JSON object"),
        (b"[{]", "not JSON"),
        (b"[" * 200_000, "brackets within brackets"),
        ("task,comment\na,Größe".encode("cp1252"), "CSV UTF-8"),
        (b'task,comment\na,"open', "quotation mark"),
        (b"task,file,task\na,b,c", "'task' twice"),
    ],
)
def test_what_is_no_list_says_so(content: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_table(content, "list")
