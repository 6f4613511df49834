"""Every error that farm_tasks raises, in one tree.

::

    FarmTasksError
    ├── InvalidArgument          exit 2   an argument that can never work
    │   └── NotConfigured                 a setting is missing
    ├── NotFound                 exit 3
    │   ├── FileMissing
    │   ├── EntityNotFound                Kitsu answered 404
    │   └── UnknownSubmission
    ├── Denied                   exit 4
    │   ├── OutsideRoots
    │   ├── FileUnreadable
    │   ├── NotAuthenticated              Kitsu answered 401
    │   └── NotAllowed                    Kitsu answered 403
    ├── PermanentFailure         exit 5
    │   ├── ExtensionRefused
    │   ├── EmptyFile
    │   ├── FileChanged
    │   ├── TooLarge                      413, or over the limit set here
    │   ├── DiskFull
    │   ├── AlreadyUploaded
    │   ├── Rejected                      400, 405, 422, any other 4xx
    │   ├── ServerError                   500
    │   ├── BadResponse
    │   ├── BrokenMovie
    │   ├── BadFrames                     frames are missing, truncated or of another size
    │   ├── EncodingFailed
    │   ├── HalfDone                      stopped between two steps, and nobody remembers them
    │   ├── WorkerCrashed                 it ended the process that ran it, time and again
    │   └── Cancelled
    └── TemporaryFailure         exit 75  worth another try: ``retryable`` is true
        ├── ConnectionLost
        │   └── Unreachable               nothing was sent yet
        ├── Stalled
        ├── ContentChanged
        ├── ServerUnavailable             502, 503
        │   └── GatewayTimeout            504
        ├── TooManyRequests               429
        ├── StillProcessing               202
        ├── Unsettled                     it may have happened; looked up before it is tried again
        ├── Incomplete                    Kitsu stored less than was sent
        ├── Busy                          someone else is at the same thing
        ├── StillRunning                  a wait's timeout
        ├── WorkerStopping                its message goes to another worker
        └── BrokerUnavailable

Exit codes follow sysexits.h where it has one (75 is EX_TEMPFAIL), so that a farm can tell "try
again" from "give up". All arguments are positional and JSON-safe: Celery's JSON result backend
rebuilds an error from them on the submitter's side.
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class FarmTasksError(Exception):
    """Something went wrong in farm_tasks."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 5

    def __init__(self, message: str | None = None, *details: object) -> None:
        self.message: str = message or inspect.getdoc(type(self)) or type(self).__name__
        super().__init__(self.message, *details)

    def __str__(self) -> str:
        return self.message


class InvalidArgument(FarmTasksError):
    """An argument is not usable."""

    exit_code = 2


class NotConfigured(InvalidArgument):
    """A setting is missing."""


class NotFound(FarmTasksError):
    """It does not exist."""

    exit_code = 3


class FileMissing(NotFound):
    """The file does not exist."""


class EntityNotFound(NotFound):
    """Kitsu does not know this entity."""


class UnknownSubmission(NotFound):
    """No submission has this id, or its record has expired."""


class Denied(FarmTasksError):
    """It is not allowed."""

    exit_code = 4


class OutsideRoots(Denied):
    """The path is outside the folders that this worker may use."""


class FileUnreadable(Denied):
    """The file cannot be read or written."""


class NotAuthenticated(Denied):
    """Kitsu does not accept the credentials."""


class NotAllowed(Denied):
    """The Kitsu user lacks the permission."""


class PermanentFailure(FarmTasksError):
    """It failed and another try would fail the same way."""


class ExtensionRefused(PermanentFailure):
    """Kitsu takes no preview with this file extension."""


class EmptyFile(PermanentFailure):
    """The file is empty."""


class FileChanged(PermanentFailure):
    """The file changed while it was read."""


class TooLarge(PermanentFailure):
    """The file is larger than the server takes."""


class DiskFull(PermanentFailure):
    """There is not enough room on the disk."""


class AlreadyUploaded(PermanentFailure):
    """This preview file already has its content."""


class Rejected(PermanentFailure):
    """Kitsu refused the request."""


class ServerError(PermanentFailure):
    """Kitsu failed while handling the request."""


class BadResponse(PermanentFailure):
    """The answer is not one that Kitsu gives."""


class BrokenMovie(PermanentFailure):
    """Kitsu could not process the movie."""


class BadFrames(PermanentFailure):
    """Some frames of the sequence are missing, damaged or of another size."""


class EncodingFailed(PermanentFailure):
    """The movie that was made of the frames is not as it should be."""


class HalfDone(PermanentFailure):
    """Some of the steps were done, and repeating them would do them twice."""


class WorkerCrashed(PermanentFailure):
    """The process that ran it died, time and again."""


class Cancelled(PermanentFailure):
    """The submission was cancelled."""


def stopped_after(done: str, error: FarmTasksError) -> FarmTasksError:
    """The error for something that stopped between two steps, which must not be done again.

    Args:
        done: What has been done, and how to go on.
        error: What stopped it. A cancel stays a cancel.
    """
    kind = Cancelled if isinstance(error, Cancelled) else HalfDone
    return kind(f"{error} {done}")


class TemporaryFailure(FarmTasksError):
    """It failed, and may work when tried again.

    Attributes:
        nothing_happened: True where the request that failed certainly had no effect.
        server_may_go_on: True where the server, or the one behind it, was only too slow: it may do
            yet what it was asked.

    Args:
        message: What happened and what to do next.
        retry_after: Seconds that the server asked to wait (RFC 9110 10.2.3), if it did.
    """

    retryable = True
    exit_code = 75
    nothing_happened: ClassVar[bool] = False
    server_may_go_on: ClassVar[bool] = False

    def __init__(self, message: str | None = None, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, retry_after)


class ConnectionLost(TemporaryFailure):
    """The connection broke."""


class Unreachable(ConnectionLost):
    """No connection could be made, so nothing was sent."""

    nothing_happened = True


class Stalled(TemporaryFailure):
    """The transfer stood still."""

    server_may_go_on = True


class ContentChanged(TemporaryFailure):
    """The remote file changed while it was downloaded."""


class ServerUnavailable(TemporaryFailure):
    """The server, or the proxy in front of it, is not available now."""


class GatewayTimeout(ServerUnavailable):
    """The proxy in front of Kitsu did not wait for its answer."""

    server_may_go_on = True


class TooManyRequests(TemporaryFailure):
    """The server asks to slow down."""

    nothing_happened = True


class StillProcessing(TemporaryFailure):
    """Kitsu is still building the file."""


class Unsettled(TemporaryFailure):
    """What was asked last may still happen."""

    nothing_happened = True


class Incomplete(TemporaryFailure):
    """Kitsu stored less than was sent."""


class Busy(TemporaryFailure):
    """Someone else is at the same thing."""

    nothing_happened = True


class StillRunning(TemporaryFailure):
    """The submission has not ended yet."""


class WorkerStopping(TemporaryFailure):
    """The worker was told to end; another one takes the transfer over."""


class BrokerUnavailable(TemporaryFailure):
    """Redis cannot be reached."""
