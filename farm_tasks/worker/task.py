"""What every task shares: paths within the roots, progress, retries, cancel, errors of ours."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from celery import Task, states
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger
from redis.exceptions import RedisError

from farm_tasks import arguments
from farm_tasks.cancelling import is_cancelled, wish_to_cancel
from farm_tasks.errors import Cancelled, FarmTasksError, InvalidArgument, TemporaryFailure
from farm_tasks.paths import inside
from farm_tasks.settings import settings
from farm_tasks.states import REVOKED, SUCCESS, result_key
from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.reporter import Reporter

FIRST_BACKOFF = 2.0
"""Seconds: the most that the first retry waits. Doubles with each further one."""

LONGEST_BACKOFF = 300.0

LONGEST_RETRY_AFTER = 3600.0
"""Seconds. The message waits in the worker, unacknowledged: well below the visibility timeout."""

logger = get_task_logger(__name__)


class TransferTask(Task):  # type: ignore[misc]
    """Base of all tasks.

    Attributes:
        repeatable: Whether the operation may be done twice with one effect. If not, it is retried
            only where the failed request certainly had none.
    """

    abstract = True
    repeatable = True
    max_retries = None
    throws = (FarmTasksError,)  # an expected end: logged as a line, without a traceback

    _reporters: dict[int, Reporter] = {}  # noqa: RUF012 (shared by all tasks on purpose)
    _reporters_lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task's body, and decide what becomes of a failure.

        Raises:
            Retry: a temporary failure, to be tried again by Celery.
            Ignore: it was cancelled; REVOKED is stored.
            FarmTasksError: it failed for good.
        """
        self.request.files = []
        self.request.sources = []
        try:
            arguments.check(self.run, args, kwargs)
            self._look_before_starting()
            return self.run(*args, **kwargs)
        except Cancelled as cancelled:
            self._store_cancelled(cancelled)
            raise Ignore from cancelled
        except TemporaryFailure as failure:
            if not self._may_retry(failure):
                raise
            self._try_again(failure)
        except FarmTasksError as failure:
            logger.error("%s failed: %s", self.name, failure)
            raise

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Hear a cancel that came while the failure was being stored as one to be retried."""
        with contextlib.suppress(RedisError):
            redis = self.app.backend.client
            if is_cancelled(redis, [task_id])[0]:
                wish_to_cancel(redis, task_id)

    def source(self, path: str) -> str:
        """The resolved path of a file to upload.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
        """
        resolved = inside(path, settings().read_roots, "FARM_TASKS_READ_ROOTS")
        self.request.files.append(resolved)
        self.request.sources.append(resolved)
        return resolved

    def sources(self, paths: list[str] | str | None) -> list[str]:
        """As :meth:`source`, for any number of files."""
        given = [paths] if isinstance(paths, str) else paths or []
        if not isinstance(given, list):
            raise InvalidArgument(f"{given!r} is not a list of paths.")
        return [self.source(path) for path in given]

    def target(self, path: str) -> str:
        """The resolved path of a file to write.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
        """
        resolved = inside(path, settings().write_roots, "FARM_TASKS_WRITE_ROOTS")
        self.request.files.append(resolved)
        return resolved

    def transfer(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Run an operation and report its progress meanwhile."""
        files = self.request.files
        meter = Meter(
            file=files[-1] if files else "",
            total=sum(map(_size, self.request.sources)),
            stage="starting",
            attempt=self.request.retries + 1,
        )
        with self._reporter().reporting(self, meter):
            return operation(*arguments, progress_callback=meter, **options)

    def _try_again(self, failure: TemporaryFailure) -> NoReturn:
        """Give the message back to the broker, for later.

        While Redis is away Celery would drop the message after three quick tries and store nothing:
        a switch that reboots takes Kitsu and Redis at once. The message that this run holds is not
        acknowledged, so nothing is lost meanwhile if this process dies.

        Raises:
            Retry: the message is on its way.
        """
        countdown = self._backoff(failure)
        logger.warning("%s Trying again in %.1f s.", failure, countdown)
        while True:
            try:
                raise self.retry(exc=failure, countdown=countdown)
            except Reject:
                logger.warning("Redis takes no message now; the retry waits for it.")
                time.sleep(random.uniform(1.0, 5.0))

    def _may_retry(self, failure: TemporaryFailure) -> bool:
        if self.request.retries >= settings().max_retries:
            return False
        return self.repeatable or failure.nothing_happened

    def _backoff(self, failure: TemporaryFailure) -> float:
        """Full jitter, but never sooner than the server asked for."""
        longest: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**self.request.retries)
        asked = min(failure.retry_after or 0.0, LONGEST_RETRY_AFTER)
        return asked + random.uniform(0.0, longest)

    def _look_before_starting(self) -> None:
        """See whether there is still something to do.

        A message that Redis delivers again, which a mere TCP reset makes it do, may be of work that
        is done.

        Raises:
            Ignore: it has succeeded already.
            Cancelled: it is not wanted any more.
        """
        try:
            redis = self.app.backend.client
            stored = redis.get(result_key(self.request.id))
            cancelled = is_cancelled(redis, [self.request.id])[0]
        except RedisError:
            return  # the reporter looks for a cancel again as soon as Redis is back
        if stored is not None and self.app.backend.decode(stored)["status"] == SUCCESS:
            logger.warning("%s has succeeded already; this is its message once more.", self.name)
            raise Ignore
        if cancelled:
            raise Cancelled("The submission was cancelled before it began.")

    def _store_cancelled(self, cancelled: Cancelled) -> None:
        self.backend.mark_as_revoked(self.request.id, str(cancelled), request=self.request)
        # The state counts. An event that fails must not turn it into a FAILURE.
        with contextlib.suppress(Exception):
            self.send_event("task-revoked", terminated=True, signum=None, expired=False)

    @classmethod
    def _reporter(cls) -> Reporter:
        """The reporter of this process; one made before a fork belongs to the parent."""
        with cls._reporters_lock:
            pid = os.getpid()
            if pid not in cls._reporters:
                cls._reporters.clear()
                cls._reporters[pid] = Reporter(cls._get_app())
            return cls._reporters[pid]


def _size(path: str) -> int:
    """Bytes; 0 for what the operation is about to refuse."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


assert states.REVOKED == REVOKED  # noqa: S101 (farm_tasks.states spells Celery's states out)
