"""Files of frames, held open: whoever opens them by name gets exactly the one that was checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import OpenImageIO as oiio  # noqa: N813 - as its own documentation does

from farm_tasks.confinement import current
from farm_tasks.errors import FileMissing, FileUnreadable, InvalidArgument
from farm_tasks.folder import name_of
from farm_tasks.paths import check_regular

NO_PICTURE = "not an EXR, DPX, TIFF, PNG or JPEG file"
DAMAGED = "truncated or damaged"

_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    b"\x76\x2f\x31\x01": "openexr",
    b"SDPX": "dpx",
    b"XPDS": "dpx",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
}


class Unusable(Exception):
    """A frame that cannot be shown. Its text says why, in words that many frames share."""


def file_bytes(path: str, most: int) -> bytes:
    """The content of a small file, read as frames are.

    Raises:
        InvalidArgument: it has more than ``most`` bytes, or is not there to be read.
        OutsideRoots: it may not be read here.
    """
    try:
        with opened(path) as (_, file):
            if os.fstat(file).st_size > most:
                raise Unusable(f"larger than {most:,} bytes")
            return bytes_of(file, 0, most)
    except Unusable as error:
        raise InvalidArgument(f"{path} is {error}.") from None


@contextlib.contextmanager
def opened(path: str) -> Iterator[tuple[str, int]]:
    """Hold a frame's file open, under the confinement if there is one.

    Yields:
        A name for who opens by name, and the descriptor.

    Raises:
        Unusable: it is missing, no regular file, or not to be read by this user.
        OutsideRoots: it may not be read here.
    """
    confined = current()
    with contextlib.ExitStack() as stack:
        try:
            if confined is not None:
                file = stack.enter_context(confined.opened(path))
            else:
                file = os.open(path, _READING)
                stack.callback(os.close, file)
                check_regular(path, os.fstat(file))
        except (FileNotFoundError, FileMissing):
            raise Unusable("missing") from None
        except (OSError, FileUnreadable):
            raise Unusable("not readable by the user that this runs as") from None
        except InvalidArgument:
            raise Unusable("not a regular file") from None
        yield name_of(file, path), file


@contextlib.contextmanager
def image_input(name: str) -> Iterator[Any]:
    """OpenImageIO's reader of the file of that name.

    Raises:
        Unusable: it cannot make anything of it.
    """
    picture = None
    try:
        picture = oiio.ImageInput.open(name)
        if picture is None:
            oiio.geterror()
            raise Unusable(DAMAGED)
        yield picture
    except UnicodeDecodeError:  # names in the file, or OpenImageIO's message about them
        raise Unusable(DAMAGED) from None
    finally:
        if picture is not None:
            picture.close()


def version(file: int) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns: another one is another content."""
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns


def bytes_of(file: int, start: int, count: int) -> bytes:
    """At most ``count`` bytes from ``start`` on."""
    os.lseek(file, start, os.SEEK_SET)  # Windows has no os.pread
    return os.read(file, count)


def kind_of(file: int) -> str:
    """OpenImageIO's name of the format, by the first bytes.

    Raises:
        Unusable: it is empty, or none of those known here.
    """
    start = bytes_of(file, 0, 4)
    if not start:
        raise Unusable("empty")
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            return kind
    raise Unusable(NO_PICTURE)
