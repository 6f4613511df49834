"""What every task shares: one owner, paths within the roots, progress, retries, cancel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, NoReturn

from celery import Task, states
from celery.exceptions import Ignore, Reject, TaskPredicate
from celery.signals import task_postrun, worker_process_shutdown, worker_shutdown
from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from farm_tasks import arguments
from farm_tasks.cancelling import is_cancelled, wish_to_cancel
from farm_tasks.confinement import Confinement
from farm_tasks.counting import CANCELLED, FAILED, HANDED_OVER, RETRIED, SUCCEEDED
from farm_tasks.errors import (
    Cancelled,
    FarmTasksError,
    TemporaryFailure,
    WorkerCrashed,
    WorkerStopping,
)
from farm_tasks.kitsu.calls import listening
from farm_tasks.kitsu.operations.filling import remove_orphans
from farm_tasks.settings import settings
from farm_tasks.states import (
    FINAL_STATES,
    REVOKED,
    cancel_key,
    lease_key,
    ledger_key,
    result_key,
)
from farm_tasks.stored_state import is_of_another_run
from farm_tasks.transfer.partial_file import tag_of
from farm_tasks.transfer.progress import Meter, Progress
from farm_tasks.worker import backoff, scratch
from farm_tasks.worker.app import app
from farm_tasks.worker.counts import Counts
from farm_tasks.worker.lease import Keeper, Lease, LostOwnership
from farm_tasks.worker.ledger import RESULT, RedisLedger, returned
from farm_tasks.worker.patience import patiently
from farm_tasks.worker.per_process import PerProcess
from farm_tasks.worker.reporter import PATIENCE, Reporter
from farm_tasks.worker.shutdown import stopping
from farm_tasks.worker.task_files import TaskFiles

COMES_BACK = 5.0
"""Seconds after which a message looks again whether its submission still has an owner."""

MOST_CRASHES = 10
"""How many processes one submission may cost before it is given up: a file that makes each one run
out of memory would come back for ever."""

logger = get_task_logger(__name__)


class TransferTask(TaskFiles, Task):  # type: ignore[misc]
    """Base of all tasks."""

    abstract = True
    Request = "farm_tasks.worker.request:TransferRequest"
    max_retries = None
    throws = (FarmTasksError,)  # an expected end: logged as a line, without a traceback

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task's body, and decide what becomes of a failure.

        Raises:
            Retry: a temporary failure, to be tried again by Celery.
            Ignore: it was cancelled, and REVOKED is stored; it has ended already; or another
                worker has it.
            Reject: this worker ends; its message goes to another one.
            FarmTasksError: it failed for good.
        """
        request = self.request
        # envelope.OF_A_RUN has the names of all that is kept there.
        request.files, request.sources, request.known = [], [], {}
        request.meter = Meter(attempt=request.retries + 1)
        request.lease = request.ledger = request.began = None
        try:
            arguments.check(self.run, args, kwargs)
            _check_stopping()
            stored, wish, noted = self._own()
            self._look_before_starting(stored, wish)
            result = returned(noted)
            if result is None:
                request.began = time.monotonic()
                with self._confinement() as request.confinement:
                    result = self.run(*args, **kwargs)
                request.ledger.note_result(result)
                self._count_attempt(SUCCEEDED)
            else:
                _counts.get().came_again()
            scratch.remove(request.id)
            return result
        except Cancelled as cancelled:
            self._count_attempt(CANCELLED)
            self._store_cancelled(cancelled)
            self._clean_up()
            raise Ignore from cancelled
        except LostOwnership as lost:
            self._count_attempt(HANDED_OVER)
            logger.warning("%s goes on in another worker.", self.name)
            raise Ignore from lost
        except WorkerStopping as ending:
            self._count_attempt(HANDED_OVER)
            logger.warning("%s goes to another worker: this one ends.", self.name)
            raise Reject(str(ending), requeue=True) from ending
        except TemporaryFailure as failure:
            self._try_again(failure)
        except FarmTasksError as failure:
            self._count_attempt(FAILED)
            logger.error("%s failed: %s", self.name, failure)
            self._clean_up()
            raise
        except TaskPredicate:
            raise
        except Exception:  # a mistake of ours, or of Kitsu's that nobody has met yet
            self._count_attempt(FAILED)
            self._clean_up()
            raise

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Hear a cancel that came while the failure was being stored as one to be retried."""
        with contextlib.suppress(RedisError):
            redis = self.app.backend.client
            if is_cancelled(redis, [task_id])[0]:
                wish_to_cancel(redis, task_id)

    @property
    def ledger(self) -> RedisLedger:
        """What the tries of the submission that this thread runs have done."""
        ledger: RedisLedger = self.request.ledger
        return ledger

    def transfer(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Run an operation and report its progress meanwhile."""
        meter, files = self.request.meter, self.request.files
        meter.file = meter.file or (self.known(files[-1]) if files else "")
        meter.stage = "starting"
        meter(0, sum(map(self.request.confinement.size, self.request.sources)))
        began = time.monotonic()
        with _reporter.get().reporting(self, meter), listening(meter):
            result = operation(*arguments, progress_callback=meter, **options)
        _log_end(meter.read(), time.monotonic() - began)
        if isinstance(result, dict) and "file_path" in result:
            result["file_path"] = self.known(result["file_path"])
        return result

    def _confinement(self) -> Confinement:
        """The roots of this run. Whoever has the lease may remove what dead owners have left."""
        request, wanted = self.request, settings()
        return Confinement(
            wanted.read_roots,
            wanted.write_roots,
            tag=tag_of(request.id),
            sweep=request.retries > 0 or request.lease.followed_a_crash,
        )

    def _own(self) -> tuple[bytes | None, ...]:
        """Take the submission's lease; without it nothing is done.

        Returns:
            What its owner looks at first, as it is now: the submission's record, the wish to cancel
            it, and what an earlier run of it has returned.

        Raises:
            Ignore: another one has it. The message comes back in a few seconds.
            WorkerCrashed: it has ended too many of those who had it.
        """
        request = self.request
        redis = self.app.backend.client
        lease = Lease(redis, lease_key(request.id))

        def look(pipeline: Any) -> None:
            pipeline.get(result_key(request.id))
            pipeline.get(cancel_key(request.id))
            pipeline.hget(ledger_key(request.id), RESULT)

        owner, seen = patiently(lambda: lease.take_and_look(look), _check_stopping)
        if owner is not None:
            self._come_back(owner)
        _keeper.get().keep(lease, lambda: request.meter.stop(LostOwnership(request.id)))
        request.lease = lease
        request.ledger = RedisLedger(
            redis, request.id, lease, _keeper.get(), request.meter.check, _counts.get().observe
        )
        if lease.followed_a_crash:
            _counts.get().crashed()
        if lease.followed_a_crash and request.ledger.count_crash() >= MOST_CRASHES:
            raise WorkerCrashed(
                f"It ended the process that ran it {MOST_CRASHES} times. Was that the kernel, for "
                "want of memory? The logs of the worker's machine say so."
            )
        return tuple(seen)

    def _come_back(self, owner: str) -> NoReturn:
        """Give the message back for later: it is neither run now nor dropped.

        Raises:
            Ignore: it is on its way, so the present one can be acknowledged.
        """
        logger.info("%s is run by another one (%s); looking again later.", self.name, owner)
        signature = self.signature_from_request(countdown=COMES_BACK)
        patiently(signature.apply_async)
        raise Ignore

    def _look_before_starting(self, stored: bytes | None, wish: bytes | None) -> None:
        """See whether there is still something to do: messages may come more than once.

        Args:
            stored: The submission's record.
            wish: Set if it is to be cancelled.

        Raises:
            Ignore: it has ended already, or runs with other arguments.
            Cancelled: it is not wanted any more.
        """
        record = {} if stored is None else self.app.backend.decode(stored)
        state = record.get("status")
        if state in FINAL_STATES and state != REVOKED:
            logger.warning("%s has ended already; this is its message once more.", self.name)
            _counts.get().came_again()
            raise Ignore
        if is_of_another_run(record, self.request.kwargs):
            logger.warning("%s was submitted anew with other arguments.", self.name)
            raise Ignore
        if wish is not None:
            raise Cancelled("The submission was cancelled before it began.")
        if state == REVOKED:
            raise Ignore

    def _try_again(self, failure: TemporaryFailure) -> NoReturn:
        """Give the message back to the broker, for later.

        While Redis is away Celery would drop the message after three quick tries and store nothing:
        a switch that reboots takes Kitsu and Redis at once. The message that this run holds is not
        acknowledged, so nothing is lost meanwhile if this process dies.

        Raises:
            Retry: the message is on its way.
            TemporaryFailure: it has been tried for long enough.
        """
        ledger = self.ledger.unstoppable()
        tried_for = max(0.0, ledger.now() - ledger.failing_since())
        countdown = backoff.countdown(failure, self.request.retries, tried_for)
        if countdown is None:
            self._count_attempt(FAILED)
            self._clean_up()
            given_up = (
                f"{failure} It was tried for {tried_for:,.0f} s of the "
                f"{settings().retry_seconds:,.0f} s in FARM_TASKS_RETRY_SECONDS."
            )
            logger.error("%s failed: %s", self.name, given_up)
            raise type(failure)(given_up, failure.retry_after) from failure
        self._count_attempt(RETRIED)
        logger.warning("%s Trying again in %.1f s.", failure, countdown)

        def send() -> NoReturn:
            try:
                raise self.retry(exc=failure, countdown=countdown)
            except Reject as error:
                raise OperationalError("Redis takes no message now") from error

        patiently(send)

    def _store_cancelled(self, cancelled: Cancelled) -> None:
        self.backend.mark_as_revoked(self.request.id, str(cancelled), request=self.request)
        progress = getattr(self.request, "progress", None) or {}
        last = {name: progress[name] for name in ("bytes_read", "total", "percent") if progress}
        # The state counts. An event that fails must not turn it into a FAILURE.
        with contextlib.suppress(Exception):
            self.send_event(
                "task-revoked",
                terminated=True,
                signum=None,
                expired=False,
                reason=str(cancelled),
                **last,
            )

    def _count_attempt(self, outcome: str) -> None:
        """Count the end of an attempt, if it had begun."""
        request = self.request
        if request.began is not None:
            seconds, request.began = time.monotonic() - request.began, None
            _counts.get().attempted(self.name, seconds, outcome, request.meter)

    def _clean_up(self) -> None:
        """Leave nothing in Kitsu that waits for a content which does not come."""
        if self.request.ledger is None:
            return
        scratch.remove(self.request.id)
        try:
            removed = remove_orphans(self.request.ledger.unstoppable())
        except Exception as error:  # what went wrong first is what counts
            logger.warning("A preview that waits for its content may be left in Kitsu: %s", error)
        else:
            for preview in removed:
                logger.info("Preview %s, which never got its content, was removed.", preview)


def _log_end(progress: Progress, seconds: float) -> None:
    """Say what was moved. The time is that of all of it, the wait for Kitsu's answer included."""
    moved, rate = progress.bytes_read, progress.bytes_read / max(seconds, 1e-6)
    logger.info(
        "Moved %d bytes in %.2f s (%.1f MB/s).",
        *(moved, seconds, rate / 1e6),
        extra={"fields": {"bytes": moved, "seconds": round(seconds, 3), "rate": round(rate, 1)}},
    )


def _check_stopping() -> None:
    """Raise if this worker's time is up."""
    if stopping():
        raise WorkerStopping


def _connect() -> Any:
    """A client for a thread of its own, which does not wait long for Redis."""
    backend = app.backend
    backend.fail_fast(PATIENCE)
    return backend.client


_counts = PerProcess(lambda: Counts(_connect))
_reporter = PerProcess(lambda: Reporter(app, _counts.get().moved))
_keeper = PerProcess(lambda: Keeper(_connect))


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _write_counts(**_: Any) -> None:
    """Leave none behind in a process that ends."""
    _counts.get().write()


@task_postrun.connect  # type: ignore[untyped-decorator]
def _let_go(task: Task, **_: Any) -> None:
    """Release the submission once its state is stored; not before, or it would be run again."""
    lease: Lease | None = getattr(task.request, "lease", None)
    if lease is None:
        return
    _keeper.get().let_go(lease)
    if not getattr(task.request, "lease_ended", False):  # else with its state, in one step
        lease.release()


assert states.REVOKED == REVOKED  # noqa: S101 (farm_tasks.states spells Celery's states out)
