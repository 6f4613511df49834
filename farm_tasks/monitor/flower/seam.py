"""What of Flower is replaced or wrapped, all of it: by no means that Flower promises to keep.

Proved with Flower 2.2. ``tests/monitor/flower/test_seam.py`` fails with a sentence when a newer one
has moved something.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from celery.events import EventReceiver
from flower import app as flower_app
from flower import events as flower_events
from flower import urls
from flower.api import BaseApiHandler
from flower.api.control import TaskRevoke
from flower.utils import search
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from flower.views.tasks import TASK_COLUMNS, TaskView
from tornado.ioloop import IOLoop
from tornado.template import Loader, Template
from tornado.web import HTTPError, StaticFileHandler, authenticated, url

from farm_tasks.errors import FarmTasksError, NotConfigured
from farm_tasks.monitor.flower import access, stopping
from farm_tasks.monitor.flower.events import believable
from farm_tasks.monitor.flower.figures import NUMBERS
from farm_tasks.monitor.flower.row import Row, rank_progress
from farm_tasks.monitor.members import records
from farm_tasks.monitor.words import words
from farm_tasks.submit.record import Record

FOLDER = Path(__file__).parent

STATIC_URL = "/farm-tasks/static/"
"""Where our scripts and styles are, after Flower's ``url_prefix``."""


def remember_figures() -> None:
    """Have Flower keep the figures of transfers; they are in its API then as well."""
    rank_progress()
    flower_events.EventReceiver = Receiver
    flower_events.EventsState.Task = Row
    _add_to_search()


def show_figures() -> None:
    """Have Flower's pages show them: columns, templates, scripts, and figures from Redis."""
    TASK_COLUMNS.update(file="File", percent="Progress", stage="Stage", reason="Reason")
    urls.settings["template_loader"] = Templates(urls.settings["template_path"])
    files = {"path": str(FOLDER / "static")}
    _add(url(f"{STATIC_URL}(.*)", StaticFileHandler, files, name="farm-tasks-static"))
    _add(url("/task/(.+)", TaskPage))


def guard() -> None:
    """Keep out whom Flower alone would let in, and let its own pages stop a transfer."""
    _add(url("/api/task/revoke/(.+)", Revoke))
    _add(url("/metrics", GuardedMetrics))
    _refuse_what_is_not_ascii()
    _keep_to_itself()
    BaseHandler.prepare = _prepare
    BaseApiHandler.prepare = _prepare_api
    listen = flower_app.Flower.start_http_server
    flower_app.Flower.start_http_server = lambda self: _listen(self, listen)


def add_handlers(handlers: Iterable[url]) -> None:
    """Serve more pages. Handlers that extend ``flower.views.BaseHandler`` can use ``render``."""
    for handler in handlers:
        _add(handler)


def _add(handler: url) -> None:
    # First, so that ours are found before Flower's own. A url, not a tuple: with url_prefix, Flower
    # keeps the arguments of those alone.
    flower_app.default_handlers.insert(0, handler)


class Templates(Loader):
    """Finds templates in our folder first, then in Flower's; ``flower:x.html`` is Flower's own x.

    So ours can have the name of the one that it extends.
    """

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Names are flat in both folders."""
        return name

    def _create_template(self, name: str) -> Template:
        own, _, flowers = name.partition("flower:")
        path = FOLDER / "templates" / own
        if flowers or not path.is_file():
            path = Path(urls.settings["template_path"]) / (flowers or own)
        return Template(path.read_bytes(), name=name, loader=self)


class Receiver(EventReceiver):  # type: ignore[misc]
    """Celery's, which passes on what is an event and nothing else.

    Flower would stop listening for seconds at one that lacks its type, and send its pages numbers
    that no browser can read.
    """

    def _receive(self, body: Any, message: Any, **options: Any) -> None:
        events = map(believable, body if isinstance(body, list) else [body])
        super()._receive([one for one in events if one is not None], message, **options)


class TaskPage(TaskView):  # type: ignore[misc]
    """Flower's page of a task; what its memory lacks comes from Redis."""

    @authenticated
    async def get(self, task_id: str) -> None:
        """Answer with the page."""
        row = self.application.events.state.tasks.get(task_id)
        record = None
        if row is None or row.bytes_read is None:
            try:
                record = await IOLoop.current().run_in_executor(None, _record, task_id)
            except FarmTasksError as error:
                if row is None:
                    raise HTTPError(503, str(error)) from error
        if record is not None:
            if row is None:
                # Shown, not remembered: that is for events.
                row = Row(task_id)
                row.worker = _worker(self.application, record)
            row.fill(record)
        if row is None:
            raise HTTPError(404, f"Unknown task '{task_id}'")
        read_only = self.application.options.read_only
        self.render("task.html", task=self.format_task(row), read_only=read_only)


class Revoke(TaskRevoke):  # type: ignore[misc]
    """Flower's, which also says it in the way that every worker hears."""

    @authenticated
    async def post(self, task_id: str) -> None:
        """Stop a task."""
        if self.application.options.read_only:
            raise HTTPError(403, "Read only mode is enabled")
        ended = await self.run_blocking(
            "task.revoke", task_id, stopping.stop, task_id, connection_errors=(FarmTasksError,)
        )
        row = self.application.events.state.tasks.get(task_id)
        if ended is not None and row is not None:
            # No worker had it, so none sends an event.
            row.event("revoked", time.time(), fields={"reason": words(repr(ended.error))})
            self.application.events.state.search_engine.upsert(row)
        await super().post(task_id)


class GuardedMetrics(Metrics):  # type: ignore[misc]
    """Flower's, for those who may see its pages."""

    @authenticated
    async def get(self) -> None:
        """Answer with the metrics."""
        await super().get()


def _record(task_id: str) -> Record | None:
    return next(iter(records([task_id])), None)


def _worker(application: Any, record: Record) -> Any:
    """The worker of a record, as the page shows it: with a link."""
    if record.worker is None:
        return None
    state = application.events.state
    return state.workers.get(record.worker) or state.Worker(record.worker)


def _has_authentication(options: Any) -> bool:
    return bool(options.basic_auth or options.auth)


def _listen(app: Any, listen: Callable[[Any], Any]) -> Any:
    """Open the port, unless that would let in anyone."""
    options = app.options
    try:
        access.check_all(options.basic_auth)
        why = access.refusal(options.address, has_authentication=_has_authentication(options))
        if why is not None and not options.unix_socket:
            raise NotConfigured(why)
    except NotConfigured as error:
        sys.exit(f"farm_tasks: {error}")
    port = listen(app)
    if options.unix_socket and not _has_authentication(options):
        # Flower lets every account on this machine use it.
        Path(options.unix_socket).chmod(0o600)
    return port


def _refuse_what_is_not_ascii() -> None:
    """Answer 401 to a user or password that no stored one can be compared with."""
    user_of = BaseHandler.get_current_user

    def current_user(handler: Any) -> Any:
        try:
            return user_of(handler)
        except TypeError as error:  # of hmac.compare_digest
            raise HTTPError(401) from error

    BaseHandler.get_current_user = current_user


def _keep_to_itself() -> None:
    """Have no page from elsewhere read Flower's answers, or show them as a part of itself.

    FLOWER_UNAUTHENTICATED_API alone would let every page in the world read all of them.
    """
    headers = BaseHandler.set_default_headers

    def default_headers(handler: Any) -> None:
        headers(handler)
        for name in ("Origin", "Headers", "Methods"):
            handler.clear_header(f"Access-Control-Allow-{name}")
        handler.set_header("X-Frame-Options", "SAMEORIGIN")

    BaseHandler.set_default_headers = default_headers


def _prepare(handler: Any) -> None:
    """Refuse what a page from elsewhere makes a browser on this machine send.

    With authentication, Flower does that itself.
    """
    request = handler.request
    if _has_authentication(handler.application.options):
        return
    if handler.application.options.unix_socket:
        return
    if not access.is_asked_for_here(request.host):
        raise HTTPError(
            403,
            "Without authentication, Flower answers to localhost and 127.0.0.1 only. "
            f"To open it: {access.HOW}.",
        )
    if request.method not in {"GET", "HEAD"} and access.is_from_elsewhere(
        request.headers, request.host
    ):
        raise HTTPError(403, "Cross-origin request forbidden")


def _prepare_api(handler: Any) -> None:
    """Without authentication: reading, and stopping a transfer from one of Flower's own pages.

    Flower itself would refuse all, its own button included, or with FLOWER_UNAUTHENTICATED_API let
    every page in the world do everything.
    """
    _prepare(handler)
    request = handler.request
    if _has_authentication(handler.application.options):
        return
    if access.is_from_elsewhere(request.headers, request.host):
        raise HTTPError(403, "Cross-origin request forbidden")
    if handler.unauthenticated_api or request.method in {"GET", "HEAD"}:
        return
    if isinstance(handler, Revoke) and access.is_from_own_page(request.headers, request.host):
        return
    raise HTTPError(401, f"The API needs authentication for this: {access.HOW}.")


def _add_to_search() -> None:
    """Have tasks found by their files and reasons, and sorted by figures as numbers."""
    document_of = search.SearchDocument.from_task
    key_of = search._task_sort_key  # noqa: SLF001 (there is no other way to its sorting)

    def document(task: Any) -> Any:
        made = document_of(task)
        for value in (getattr(task, "file", None), getattr(task, "reason", None)):
            made.all_text += f"\0{(value or '').casefold()}"
        return made

    def key(task: Any, sort_by: str, task_id: str) -> tuple[Any, ...]:
        value = getattr(task, sort_by, None)
        if sort_by in NUMBERS:
            return value is not None, value or 0.0, task_id
        if sort_by == "file":
            name = (value or task.name or "").replace("\\", "/").rpartition("/")[2]
            return True, name.casefold(), task_id
        if sort_by == "received" and value is None:
            return True, float(task.sent or task.first_seen or 0.0), task_id
        found: tuple[Any, ...] = key_of(task, sort_by, task_id)
        return found

    search.SearchDocument.from_task = document
    search._task_sort_key = key  # noqa: SLF001
