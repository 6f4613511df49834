"""The multipart body: what it says, what it counts, and what it refuses to send."""

# ruff: noqa: PT012 (what must not raise stands outside of what must)

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_tasks.errors import FileChanged, FileUnreadable
from farm_tasks.transfer import body as body_module
from farm_tasks.transfer.body import MultipartBody
from farm_tasks.transfer.piece_size import LEAST_BYTES, MOST_BYTES
from farm_tasks.transfer.progress import SILENCE, Meter
from tests.servers import Part, parse_multipart


def sent(body: MultipartBody) -> bytes:
    """The body as the socket would see it."""
    return b"".join(bytes(piece) for piece in body)


def parts(body: MultipartBody) -> list[Part]:
    """The body as a server would read it."""
    return parse_multipart(body.content_type, sent(body))


# A lone carriage return or a quote in a name is escaped; a percent sign is not (WHATWG), so names
# that look escaped already cannot be told from those that were.
names = st.text(min_size=1, max_size=40).filter(lambda name: "%" not in name)
file_names = names.filter(lambda name: "/" not in name and "\0" not in name)


@settings(deadline=None, max_examples=60)
@given(
    fields=st.lists(st.tuples(names, st.text(max_size=200)), max_size=4),
    files=st.dictionaries(
        names, st.tuples(file_names, st.binary(max_size=3000)), min_size=1, max_size=4
    ),
)
def test_whatever_goes_in_comes_out_at_the_other_end(
    fields: list[tuple[str, str]], files: dict[str, tuple[str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        opened: dict[str, Any] = {}
        for number, (name, (filename, content)) in enumerate(files.items()):
            path = Path(folder, str(number))
            path.write_bytes(content)
            opened[name] = (filename, path.open("rb"))
        body = MultipartBody(fields, opened)
        content = sent(body)
        for _, file in opened.values():
            file.close()
    found = parse_multipart(body.content_type, content)
    assert len(content) == len(body)
    assert [(part.name, part.content.decode()) for part in found[: len(fields)]] == fields
    assert {part.name: (part.filename, part.content) for part in found[len(fields) :]} == files


@pytest.mark.parametrize("size", [0, 1, MOST_BYTES - 1, MOST_BYTES, MOST_BYTES + 1, 3 * MOST_BYTES])
def test_a_file_of_any_size_is_sent_whole_and_its_length_is_known_before(
    tmp_path: Path, size: int
) -> None:
    path = tmp_path / "frame.exr"
    path.write_bytes(os.urandom(size))
    with path.open("rb") as file:
        body = MultipartBody([], {"file": file})
        assert len(body) == len(sent(body))
        assert parts(body) == [Part("file", path.read_bytes(), "frame.exr", "image/x-exr")]


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("shot.mov", "video/quicktime"),
        ("shot.mp4", "video/mp4"),
        ("still.png", "image/png"),
        ("beauty.exr", "image/x-exr"),
        ("scene.blend", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ],
)
def test_a_part_carries_the_type_of_its_file(
    tmp_path: Path, filename: str, content_type: str
) -> None:
    (tmp_path / filename).write_bytes(b"x")
    with (tmp_path / filename).open("rb") as file:
        assert parts(MultipartBody([], {"file": file}))[0].content_type == content_type


def test_a_given_content_type_is_kept(movie: Path) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": ("a.bin", file, "model/gltf-binary")})
        assert parts(body)[0].content_type == "model/gltf-binary"


def test_text_and_bytes_can_stand_in_for_files() -> None:
    body = MultipartBody([], {"comments": (None, '{"é": 1}', "application/json"), "b": ("b", b"1")})
    assert parts(body) == [
        Part("comments", '{"é": 1}'.encode(), None, "application/json"),
        Part("b", b"1", "b", "application/octet-stream"),
    ]


def test_a_name_that_is_not_utf8_goes_out_as_its_bytes(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mov"))
    path.write_bytes(b"movie")
    with path.open("rb") as file:
        assert b'filename="caf\xe9.mov"' in sent(MultipartBody([], {"file": file}))


def test_half_a_surrogate_pair_does_not_stop_a_comment(movie: Path) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([("text", "good \ud83d")], {"fi\ud83dle": file})
        assert parts(body)[0].content == b"good ?"
        assert parts(body)[1].name == "fi?le"


def test_a_second_reading_sends_the_same_again(movie: Path) -> None:
    with movie.open("rb") as file:
        file.seek(1000)
        body = MultipartBody([("text", "hello")], {"file": file})
        first = sent(body)
        assert sent(body) == first
        assert parse_multipart(body.content_type, first)[1].content == movie.read_bytes()


def test_a_reading_given_up_half_way_leaves_the_next_one_whole(movie: Path) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file})
        begun = iter(body)
        for _ in range(3):
            next(begun)
        assert parts(body)[0].content == movie.read_bytes()


def test_progress_counts_a_piece_only_once_the_next_is_asked_for(movie: Path) -> None:
    figures: list[tuple[int, int]] = []
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file}, lambda *figure: figures.append(figure))
        taken = 0
        for piece in body:
            assert max((done for done, _ in figures), default=0) <= taken
            taken += len(piece)
    size = movie.stat().st_size
    assert [done for done, _ in figures] == sorted({done for done, _ in figures})
    assert figures[0][0] == LEAST_BYTES
    assert figures[-1] == (size, size)
    body.finish()
    assert figures.count((size, size)) == 1, "what was said is not said again"
    assert {total for _, total in figures} == {size}


def test_progress_counts_all_files_as_one(tmp_path: Path) -> None:
    figures: list[tuple[int, int]] = []
    paths = [tmp_path / name for name in ("a.mov", "b.mov", "empty.mov")]
    for path, size in zip(paths, (300_000, 500_000, 0), strict=True):
        path.write_bytes(bytes(size))
    files = {path.name: path.open("rb") for path in paths}
    sent(MultipartBody([("text", "x")], files, lambda *figure: figures.append(figure)))
    for file in files.values():
        file.close()
    assert figures[-1] == (800_000, 800_000)
    assert (300_000, 800_000) in figures


def test_what_has_not_arrived_is_not_counted_and_the_figure_never_falls(movie: Path) -> None:
    figures: list[int] = []
    size = movie.stat().st_size
    least = LEAST_BYTES
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file}, lambda done, _: figures.append(done))
        # Nothing has arrived for two pieces, so the next ones are as small.
        backlogs = iter([10**9, 10**9, least, 0, 10**9, 10**9] + [least] * 100)
        body.backlog = lambda: next(backlogs)
        sent(body)
    assert figures[:6] == [0, 0, 2 * least, *[5 * least] * 3]
    assert figures[-1] == size - least
    body.finish()
    assert figures[-1] == size


def test_what_arrives_after_the_last_piece_is_read_until_the_request_has_ended(movie: Path) -> None:
    now = 0.0
    meter = Meter(clock=lambda: now)
    backlog = size = movie.stat().st_size
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file}, meter)
        body.backlog = lambda: backlog
        sent(body)
    seen = []
    now = 2 * SILENCE
    for left in (1000, 2000, 500, sys.maxsize):
        backlog = left
        seen.append(size - meter.read().bytes_read)
    assert seen == [1000, 1000, 500, 500], "it never falls"
    backlog = 0
    body.close()
    assert size - meter.read().bytes_read == 500


def test_pieces_are_as_large_as_a_line_takes_in_a_moment(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece is counted as a whole: a large one on a slow line is seconds of a bar standing."""
    now = 0.0
    monkeypatch.setattr(body_module.time, "monotonic", lambda: now)
    os.truncate(movie, 8 * MOST_BYTES)
    sizes = []
    with movie.open("rb") as file:
        for number, piece in enumerate(MultipartBody([], {"file": file})):
            sizes.append(len(piece))
            now += len(piece) / (200_000 if number < 10 else 10e6)
    # The first and the last are what is around the file.
    assert all(LEAST_BYTES <= size <= 20_001 for size in sizes[1:10])
    assert sizes[10:16] == sorted(sizes[10:16])
    assert max(sizes[10:]) > MOST_BYTES / 4
    assert sum(sizes[1:-2]) == 8 * MOST_BYTES


def test_an_empty_file_reports_at_its_end_and_an_upload_without_files_never(
    tmp_path: Path,
) -> None:
    figures: list[tuple[int, int]] = []
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as file:
        body = MultipartBody([], {"file": file}, lambda *figure: figures.append(figure))
        sent(body)
        body.finish()
    assert figures == [(0, 0)]
    body = MultipartBody([], {"json": (None, "{}")}, lambda *figure: figures.append(figure))
    sent(body)
    body.finish()
    assert figures == [(0, 0)]


def shrink(path: Path) -> None:
    os.truncate(path, MOST_BYTES + 5)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [shrink, grow, overwrite])
@pytest.mark.parametrize("pieces_before", [0, 2, 5])
def test_a_file_that_changes_meanwhile_never_ends_the_body(
    movie: Path, change: Any, pieces_before: int
) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file})
        reading = iter(body)
        length = sum(len(next(reading)) for _ in range(pieces_before))
        change(movie)
        with pytest.raises(FileChanged, match=r"shot_010\.mov changed"):
            for piece in reading:
                length += len(piece)
    assert length < len(body) - len(b"\r\n") - 10, "all of the file had been given away"


def test_an_empty_file_that_grows_is_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "still_rendering.exr"
    path.touch()
    with path.open("rb") as file:
        body = MultipartBody([], {"file": file})
        path.write_bytes(b"the first tile")
        with pytest.raises(FileChanged):
            sent(body)


class Broken(io.RawIOBase):
    """A file on a disk that fails after its first piece."""

    name = "/mnt/server/shot.mov"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._reads = 0

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, *_: Any) -> int:
        return 0

    def readinto(self, buffer: Any) -> int:
        self._reads += 1
        if self._reads > 1:
            raise OSError(5, "Input/output error")
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_a_disk_that_fails_is_told_apart_from_a_network_that_fails(movie: Path) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": Broken(file)})
        with pytest.raises(FileUnreadable, match=r"/mnt/server/shot\.mov: Input/output error"):
            sent(body)


def test_a_closed_file_is_unreadable(movie: Path) -> None:
    with movie.open("rb") as file:
        body = MultipartBody([], {"file": file})
    with pytest.raises(FileUnreadable, match="closed file"):
        sent(body)


def nothing_streamable() -> Iterator[IO[bytes]]:
    yield io.BytesIO(b"in memory")
    yield Path("/dev/zero").open("rb")  # noqa: SIM115 (closed by the test)
    read_end, write_end = os.pipe()
    os.close(write_end)
    yield os.fdopen(read_end, "rb")


@pytest.mark.parametrize("number", range(3), ids=["memory", "device", "pipe"])
def test_what_has_no_size_is_refused_before_anything_is_sent(number: int) -> None:
    for position, source in enumerate(nothing_streamable()):
        with source:
            if position == number:
                with pytest.raises(FileUnreadable):
                    MultipartBody([], {"file": source})


class Watched:
    """As gazu wraps a file: read() is seen, everything else falls through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seen = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.seen += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_wrapped_file_is_read_through_its_wrapper(movie: Path) -> None:
    with movie.open("rb") as file:
        watched = Watched(file)
        body = MultipartBody([], {"file": watched})
        assert parts(body)[0].content == movie.read_bytes()
        assert watched.seen == movie.stat().st_size
