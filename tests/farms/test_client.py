from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from farm_tasks.farms import client
from tests.farms.pythons import found

CLIENT = Path(client.__file__)
ASKED = {"task": "demo/SQ01/SH010/compositing", "previews": ["/projects/é.mov"]}
PYTHONS = found()


def command(folder: Path, body: str) -> list[str]:
    """Something that stands for ``farm-tasks``."""
    script = folder / "farm-tasks.py"
    script.write_text(f"import json, os, sys, time\n{body}\n", encoding="utf-8")
    return [sys.executable, str(script)]


def requests(spool: Path) -> list[dict[str, object]]:
    return [json.loads(one.read_text()) for one in sorted(spool.iterdir())]


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_writes_a_request(version: str, tmp_path: Path) -> None:
    # As a farm has it: one file, in a Python with no packages.
    copy = shutil.copy(CLIENT, tmp_path / "farm_tasks_client.py")
    spool = tmp_path / "spool"
    spool.mkdir()
    isolated = ["-E", "-S"] if version == "2.7" else ["-I", "-S"]
    done = subprocess.run(
        [PYTHONS[version], *isolated, "-W", "error", str(copy),
         "--spool", str(spool), "--key", "tractor:7:{content}", "--farm-job", "comp SH010"],
        input=json.dumps(ASKED), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = spool.glob("*.json")
    assert done.stdout.strip() == str(path)
    request = json.loads(path.read_text())
    assert abs(request.pop("made") - time.time()) < 60
    assert request == {
        "farm_tasks": 1,
        "function": "publish",
        "arguments": ASKED,
        "key": f"tractor:7:{client.content_of(ASKED['previews'])}",
        "priority": "normal",
        "farm_job": "comp SH010",
    }


def test_a_request_has_a_key_and_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = client.publish(
        {"task": "t", "previews": ["a.mov", "P:\\b.mov", "\\\\server\\c.mov"], "frames": "f.#.exr"},
        spool=str(tmp_path),
    )
    request = json.loads(Path(path).read_text())
    assert uuid.UUID(str(request["key"]).removeprefix("client:"))
    assert request["arguments"]["previews"] == [
        f"{tmp_path}/a.mov", "P:\\b.mov", "\\\\server\\c.mov",
    ]  # fmt: skip
    assert request["arguments"]["frames"] == f"{tmp_path}/f.#.exr"


def test_the_command_is_asked_first_and_without_the_farms_own_python_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/opt/Thinkbox/Deadline10/lib/python3")
    body = (
        "assert 'PYTHONHOME' not in os.environ\n"
        f"assert json.load(sys.stdin) == {ASKED!r}\n"
        "assert sys.argv[1:] == ['publish', '--stdin', '--no-wait', '--key', 'k', '--priority',"
        " 'high', '--farm-job', 'job 7']\n"
        "print('1f0c'); print('more')"
    )
    said = client.publish(
        ASKED, "k", "high", "job 7", command(tmp_path, body), str(tmp_path / "not needed")
    )
    assert said == "1f0c"


def test_a_command_that_fails_for_now_leaves_the_request_in_the_spool(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    redis_away = command(tmp_path, "sys.exit(75)")
    client.publish(ASKED, "k", command=redis_away, spool=str(spool))
    client.publish(ASKED, "k", command="/no/such/farm-tasks", spool=str(spool))
    assert [one["key"] for one in requests(spool)] == ["k", "k"]


def test_a_command_that_has_spooled_the_request_itself_is_believed(tmp_path: Path) -> None:
    kept = command(tmp_path, "print('spooled /projects/a spool/x.json'); sys.exit(75)")
    assert client.publish(ASKED, "k", command=kept) == "/projects/a spool/x.json"


def test_a_command_that_says_no_is_believed(tmp_path: Path) -> None:
    denied = command(tmp_path, "sys.stderr.write('error: no such task'); sys.exit(3)")
    with pytest.raises(client.Failed, match="no such task") as caught:
        client.publish(ASKED, "k", command=denied, spool=str(tmp_path / "spool"))
    assert caught.value.code == 3


def test_a_command_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    # The child outlives its parent and holds its output open.
    hanging = command(tmp_path, "import subprocess\nsubprocess.run(['sleep', '7'])")
    spool = tmp_path / "spool"
    spool.mkdir()
    began = time.monotonic()
    client.publish(ASKED, "k", command=hanging, spool=str(spool), seconds=0.3)
    assert time.monotonic() - began < 3
    assert len(requests(spool)) == 1
    with pytest.raises(client.Failed, match=r"more than 0\.3 seconds"):
        client.publish(ASKED, "k", command=hanging, seconds=0.3)


def test_a_spool_that_cannot_be_written_is_a_temporary_failure(tmp_path: Path) -> None:
    with pytest.raises(client.Failed, match="cannot be written") as caught:
        client.publish(ASKED, spool=str(tmp_path / "not there"))
    assert caught.value.code == 75


def test_the_digest_changes_with_every_frame(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"a.{number:04}.exr").write_bytes(b"1")
    patterns = [
        str(tmp_path / name) for name in ("a.####.exr", "a.%04d.exr", "a.@@@@.exr", "a.$F4.exr")
    ]
    first = {client.content_of([one]) for one in patterns}
    assert len(first) == 1
    assert first == {client.content_of([patterns[0].encode()])}
    (tmp_path / "a.0002.exr").write_bytes(b"22")
    second = client.content_of(patterns[:1])
    assert {second} != first
    os.utime(tmp_path / "a.0002.exr", (1, 1))
    assert client.content_of(patterns[:1]) != second
    (tmp_path / "b.0001.exr").write_bytes(b"no frame of it")
    os.utime(tmp_path / "a.0002.exr", (2, 2))
    third = client.content_of(patterns[:1])
    (tmp_path / "b.0002.exr").write_bytes(b"no frame of it")
    assert client.content_of(patterns[:1]) == third


def test_one_preview_as_a_text_counts_as_the_file_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    movie, spool = tmp_path / "a.mov", tmp_path / "spool"
    spool.mkdir()
    keys = []
    for content in (b"1", b"22"):
        movie.write_bytes(content)
        digest = client.content_of([str(movie)])
        for previews in (str(movie), [str(movie)]):
            asked = {"task": "t", "previews": previews}
            assert client.content_of(previews) == client.content_of_request(asked) == digest
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked | {"previews": str(movie)})))
        assert client.main(["--spool", str(spool), "--key", "k:{content}"]) == 0
        keys.append(json.loads(Path(capsys.readouterr().out.strip()).read_text())["key"])
        assert keys[-1] == f"k:{digest}"
    assert keys[0] != keys[1]
    assert client.content_of(iter([str(movie)])) == digest
    assert client.content_of_request({"previews": 7}) == client.content_of([])


def test_the_digest_is_the_same_wherever_the_folder_is_mounted(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.0001.exr").write_bytes(b"1")
        os.utime(tmp_path / folder / "a.0001.exr", (1, 1))
    one, two = ([str(tmp_path / name / "a.####.exr")] for name in ("one", "two"))
    assert client.content_of(one) == client.content_of(two)


def test_a_file_with_a_hash_in_its_name_is_a_file(tmp_path: Path) -> None:
    movie = tmp_path / "take#1.mov"
    movie.write_bytes(b"1")
    first = client.content_of([str(movie)])
    movie.write_bytes(b"22")
    assert client.content_of([str(movie)]) != first


def test_a_sequence_is_told_by_its_last_padding_and_none_is_like_nothing(tmp_path: Path) -> None:
    pattern = str(tmp_path / "be auty#1.####.png")
    content_of = client.content_of
    none = content_of([pattern])
    assert none != content_of([])
    (tmp_path / "be auty#1.0001.png").write_bytes(b"1")
    one = content_of([pattern])
    (tmp_path / "be auty#1.0002.png").write_bytes(b"1")
    assert len({none, one, content_of([pattern])}) == 3


def test_a_priority_that_nobody_knows_is_refused_before_it_is_spooled(tmp_path: Path) -> None:
    with pytest.raises(client.Failed, match="urgent"):
        client.publish({"task": "x"}, priority="urgent", spool=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
