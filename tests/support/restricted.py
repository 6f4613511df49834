"""Running a command under the restrictions of a systemd unit that need neither systemd nor root.

``python -m tests.support.restricted UNIT COMMAND...`` reads what the unit says of system calls,
sockets, executable memory, privileges and open files, puts that on itself with libseccomp, which
systemd uses as well, and becomes the command. What systemd does with mounts is not done here.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_EQUAL, _MASKED_EQUAL = 4, 7
_PR_CAPBSET_DROP = 24


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def directives(unit: Path) -> dict[str, list[str]]:
    """What a unit says, each with its values in their order."""
    said = defaultdict(list)
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            said[name].append(value)
    return said


def allowed_calls(said: dict[str, list[str]]) -> set[str]:
    """The system calls that SystemCallFilter= leaves: sets are those of the installed systemd."""
    sets = _sets()
    allowed: set[str] = set()
    for words in said["SystemCallFilter"]:
        names = _expanded(words.removeprefix("~").split(), sets)
        allowed = allowed - names if words.startswith("~") else allowed | names
    return allowed


def _sets() -> dict[str, list[str]]:
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, check=True
    )
    sets: dict[str, list[str]] = {}
    name = ""
    for line in listed.stdout.decode().splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith("    ") and "#" not in line:
            sets[name].append(line.strip())
        elif line.startswith("#"):
            name = "ungrouped"
            sets[name] = []
    return sets


def _expanded(words: Iterable[str], sets: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found |= _expanded(sets[word], sets) if word.startswith("@") else {word}
    return found


def _filter_calls(said: dict[str, list[str]]) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_REFUSE)))

    def allow(name: str, *comparisons: tuple[int, int, int, int]) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # of another architecture
        array = (_Comparison * len(comparisons))(*comparisons)
        done = library.seccomp_rule_add_array(
            context, ctypes.c_uint32(_ALLOW), number, len(comparisons), array
        )
        assert done == 0, (name, done)

    calls = allowed_calls(said)
    if said["MemoryDenyWriteExecute"] == ["yes"]:
        calls -= {"mmap", "mprotect", "pkey_mprotect", "shmat"}
        for bit in (mmap.PROT_WRITE, mmap.PROT_EXEC):  # either may be, both may not
            allow("mmap", (2, _MASKED_EQUAL, bit, 0))
        for name in ("mprotect", "pkey_mprotect"):
            allow(name, (2, _MASKED_EQUAL, mmap.PROT_EXEC, 0))
    if said["RestrictAddressFamilies"]:
        calls.discard("socket")
        for family in said["RestrictAddressFamilies"][0].split():
            allow("socket", (0, _EQUAL, getattr(socket, family), 0))
    for name in calls:
        allow(name)
    assert library.seccomp_load(context) == 0


def restrict(unit: Path) -> None:
    """Put the restrictions of ``unit`` on this process, for good."""
    said = directives(unit)
    for limit in said["LimitNOFILE"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    if said["CapabilityBoundingSet"] == [""] and os.geteuid() == 0:
        # What is executed next has none of them, root or not.
        libc = ctypes.CDLL(None, use_errno=True)
        for number in range(64):
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    if said["UMask"]:
        os.umask(int(said["UMask"][0], 8))
    _filter_calls(said)  # which sets NoNewPrivileges


if __name__ == "__main__":
    restrict(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
