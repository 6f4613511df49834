"""A request in the spool: what is to be submitted, as a file holds it.

Whoever can write to the spool's folder wrote it, so nothing in it is believed: it may ask for a
function that submits, with arguments of that function's types, and for nothing else.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import stat
import time
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from farm_tasks import arguments, functions, queues, submit
from farm_tasks.errors import FileUnreadable, InvalidArgument, OutsideRoots
from farm_tasks.folder import Folder
from farm_tasks.queues import Priority
from farm_tasks.submit.claim import check_key
from farm_tasks.submit.farm_job import environment_ignored, farm_job_of
from farm_tasks.submit.publishing import check as check_publish
from farm_tasks.submit.sending import check_absolute, portable
from farm_tasks.submit.submission import Submission

FORMAT = 1
"""Version of the file, in its field ``farm_tasks``."""

LARGEST = arguments.LARGEST_MESSAGE
"""Bytes of a file."""

READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened that may be anything: a pipe that nobody writes to would block for ever."""

_UPGRADE = "It waits for a newer one: upgrade what flushes the spool."
_OPTIONS = frozenset(["key", "priority", "farm_job"])


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request that has been checked.

    Attributes:
        function: gazu's name for it, or ``publish``.
        arguments: Its keyword arguments; paths are absolute.
        key: What makes it one submission, however often it is sent.
        priority: ``high``, ``normal`` or ``low``.
        farm_job: The farm job that it was written in, if there was one.
        made: When it was written, in seconds since the epoch, by the writer's clock.
    """

    function: str
    arguments: dict[str, Any]
    key: str
    priority: Priority
    farm_job: str | None
    made: float

    @classmethod
    def new(
        cls,
        function: str,
        given: Mapping[str, Any],
        key: str | None,
        priority: Priority,
        farm_job: str | None,
    ) -> Request:
        """A request made here and now: its paths and its farm job are this process's.

        Raises:
            InvalidArgument: it could never be submitted.
        """
        _check_function(function)
        said = {name: value for name, value in given.items() if value is not None}
        request = cls(
            function,
            portable(function, said),
            key if key is not None else f"spool:{uuid.uuid4()}",
            priority,
            farm_job_of(farm_job),
            time.time(),
        )
        request._check()
        return request

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """The request in a file.

        Raises:
            InvalidArgument: it is none. The message quotes nothing of it but names of fields.
            FileUnreadable: a newer version of farm_tasks wrote it, and that one can read it.
        """
        try:
            fields = json.loads(data, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"It is no JSON ({type(error).__name__}).") from None
        if isinstance(fields, dict):
            _check_format(fields.get("farm_tasks"))
        names = [one.name for one in dataclasses.fields(cls)]
        if not isinstance(fields, dict) or set(fields) != {*names, "farm_tasks"}:
            raise InvalidArgument(
                f"It is no JSON object of exactly these fields: {', '.join(names)}, farm_tasks."
            )
        del fields["farm_tasks"]
        request = cls(**fields)
        request._check_known()
        request._check()
        return request

    def encode(self) -> bytes:
        """The file.

        Raises:
            InvalidArgument: it does not fit into JSON, or is too large.
        """
        fields = {"farm_tasks": FORMAT, **dataclasses.asdict(self)}
        try:
            data = json.dumps(fields, allow_nan=False).encode("ascii")
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument(f"The arguments do not fit into JSON: {error}.") from None
        if len(data) > LARGEST:
            raise InvalidArgument(
                f"The arguments have {len(data):,} bytes; a submission takes {LARGEST:,}."
            )
        return data

    def submit(self) -> Submission:
        """Submit it. Submitted again, it is the same submission.

        Raises:
            As the function does.
        """
        function = getattr(submit, self.function)
        with environment_ignored():  # it belongs to the job that wrote it, and not to a flusher's
            submission: Submission = function(
                **self.arguments, key=self.key, priority=self.priority, farm_job=self.farm_job
            )
        return submission

    def _check_known(self) -> None:
        """See that this version has each of the arguments: a newer one may have more."""
        _check_function(self.function)
        known = inspect.signature(getattr(submit, self.function)).parameters
        given = self.arguments if isinstance(self.arguments, dict) else {}
        for name in given:
            if name not in known:
                raise FileUnreadable(
                    f"{self.function} has no argument {name!r:.80} in this version of farm_tasks. "
                    f"{_UPGRADE} Or, if no version has it, remove the file."
                )

    def _check(self) -> None:
        """See that it can be submitted, as far as can be told without Redis."""
        _check_function(self.function)
        if not isinstance(self.arguments, dict) or _OPTIONS & set(self.arguments):
            raise InvalidArgument("arguments: not an object of the function's arguments.")
        arguments.check(getattr(submit, self.function), (), self.arguments)
        check_absolute(self.arguments)
        if self.function == "publish":
            check_publish(self.arguments)
        check_key(self.key)
        queues.priority_number(self.priority)
        if self.farm_job is not None:
            farm_job_of(self.farm_job)
        if isinstance(self.made, bool) or not isinstance(self.made, int | float):
            raise InvalidArgument("made: not a number of seconds.")
        if not 0 <= self.made < math.inf:
            raise InvalidArgument("made: not a time since 1970.")


def read_request(folder: Folder, name: str) -> Request:
    """The request in a file of the spool.

    Raises:
        FileNotFoundError: it is gone.
        FileUnreadable: this user may not read it, or this version cannot.
        InvalidArgument: it is no request.
    """
    if not stat.S_ISREG(folder.status(name).st_mode):
        raise InvalidArgument("It is no regular file.")
    try:
        descriptor = folder.open_file(name, READING)
    except OutsideRoots:  # a link since then
        raise InvalidArgument("It is no regular file.") from None
    except PermissionError as error:
        raise FileUnreadable(
            f"This user may not read {name}: let the spool's folder pass its group on (mode 2770), "
            "and writers have a umask of 027 or less."
        ) from error
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidArgument("It is no regular file.")
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise InvalidArgument(f"It has more than {LARGEST:,} bytes.")
    return Request.decode(data)


def _check_format(given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or given < FORMAT:
        raise InvalidArgument(f"Its field farm_tasks is not {FORMAT}, the version of such files.")
    if given > FORMAT:
        raise FileUnreadable(
            f"Its field farm_tasks is above {FORMAT}, which is what this version of farm_tasks "
            f"reads. {_UPGRADE}"
        )


def _check_function(name: object) -> None:
    if not isinstance(name, str) or name not in functions.ALL:
        raise InvalidArgument("function: not one of those that submit.")


def _no_number(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
