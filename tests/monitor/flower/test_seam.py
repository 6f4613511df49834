"""What of Flower's internals ours rests on: of its Python, templates and scripts.

A newer Flower that moves one of them fails here, and says which of our files to look at.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import states
from celery.events import EventReceiver
from celery.events.state import State, Task
from flower import app, command, events, urls
from flower.api import BaseApiHandler, control
from flower.events import EventsState
from flower.options import default_options
from flower.utils import search
from flower.views import BaseHandler, monitor, tasks

from farm_tasks.monitor.flower import seam

FLOWER = Path(app.__file__).parent


def _template(name: str) -> str:
    return (FLOWER / "templates" / name).read_text()


def _element(name: str, id_: str) -> str:
    """The tag with an id."""
    found = re.search(rf'<[^>]*id="{id_}"[^>]*>', _template(name))
    return "" if found is None else found[0]


def _script() -> str:
    return (FLOWER / "static" / "js" / "flower.js").read_text()


def _source(what: object) -> str:
    return inspect.getsource(what)  # type: ignore[arg-type]


def _parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


RESTS_ON: dict[str, Callable[[], bool]] = {
    "handlers are a list that the application reads when it is made": lambda: (
        isinstance(app.default_handlers, list) and app.default_handlers is urls.handlers
    ),
    "the application's settings are a dict with the folder of templates": lambda: Path(
        urls.settings["template_path"], "tasks.html"
    ).is_file(),
    "the page of a task is at /task/<id>, with get and format_task": lambda: (
        any(getattr(one, "name", "") == "task" for one in urls.handlers)
        and _parameters(tasks.TaskView.get) == ["self", "task_id"]
        and hasattr(tasks.TaskView, "format_task")
    ),
    "the page of a task is rendered with task and read_only": lambda: (
        re.search(r'"task\.html",\s+task=task,\s+read_only=', _source(tasks.TaskView.get))
        is not None
    ),
    "the list's columns are a dict of slugs and labels": lambda: (
        tasks.TASK_COLUMNS["name"] == "Name"
        and "TASK_COLUMNS" in _source(tasks.visible_task_columns)
    ),
    "revoking is at /api/task/revoke/<id>, with run_blocking": lambda: (
        (r"/api/task/revoke/(.+)", control.TaskRevoke) in urls.handlers
        and "run_blocking" in _source(control.TaskRevoke.post)
        and "connection_errors" in _parameters(BaseApiHandler.run_blocking)
    ),
    "the metrics are at /metrics": lambda: (r"/metrics", monitor.Metrics) in urls.handlers,
    "every page is a BaseHandler, which batch.py's are": lambda: (
        issubclass(BaseApiHandler, BaseHandler)
        and issubclass(tasks.TaskView, BaseHandler)
        and "url_prefix" in _source(BaseHandler.render)
    ),
    "passwords are compared, and headers set, by every page's base": lambda: (
        "compare_digest" in _source(BaseHandler.get_current_user)
        and "Access-Control-Allow-Origin" in _source(BaseHandler.set_default_headers)
    ),
    "events come through Celery's receiver, by the name EventReceiver": lambda: (
        events.EventReceiver in {EventReceiver, seam.Receiver}
        and "EventReceiver(" in _source(events.Events.run)
        and _parameters(EventReceiver._receive)[:3] == ["self", "body", "message"]
    ),
    "no handler but the API's base prepares by itself": lambda: (
        not any(
            "def prepare" in path.read_text()
            for path in FLOWER.rglob("*.py")
            if path != FLOWER / "api" / "__init__.py"
        )
    ),
    "the API may be opened with FLOWER_UNAUTHENTICATED_API": lambda: isinstance(
        inspect.getattr_static(BaseHandler, "unauthenticated_api"), property
    ),
    "the port is opened by start_http_server": lambda: (
        _parameters(app.Flower.start_http_server) == ["self"]
    ),
    "options have the names that are read": lambda: all(
        name in default_options
        for name in (
            *("address", "auth", "basic_auth", "conf", "read_only"),
            *("tasks_columns", "unix_socket"),
        )
    ),
    "the environment sets options before the configuration is read": lambda: (
        _source(command).index("apply_env_options()")
        < _source(command).index("apply_options(sys.argv")
    ),
    "tasks are remembered by Celery's state, which makes rows of its class Task": lambda: (
        issubclass(EventsState, State)
        and "self.Task" in inspect.getsource(State._create_dispatcher)
        and "upsert(task)" in inspect.getsource(EventsState._index_task)
    ),
    "rows take events as Celery's Task does": lambda: (
        _parameters(Task.event)[:5] == ["self", "type_", "timestamp", "local_received", "fields"]
        and {"uuid", "state", "worker"} <= set(Task._fields)
        and states.RECEIVED in Task.merge_rules
    ),
    "states have ranks": lambda: (
        states.PRECEDENCE_LOOKUP[states.REVOKED] < states.PRECEDENCE_LOOKUP[states.STARTED]
    ),
    "tasks are searched in documents with all_text": lambda: (
        "all_text" in search.SearchDocument.__slots__
        and "SearchDocument.from_task(task)" in _source(search.TaskSearchEngine._index)
    ),
    "tasks are sorted by _task_sort_key": lambda: (
        _parameters(search._task_sort_key) == ["task", "sort_by", "task_id"]
        and "_task_sort_key(" in _source(search.TaskSearchEngine.search)
    ),
    "templates can add scripts after Flower's": lambda: (
        _template("base.html").index("js/flower.js")
        < _template("base.html").index("{% block extra_scripts %}")
    ),
    "pages have the blocks that batches.html and batch.html fill": lambda: all(
        f"{{% block {name} %}}" in _template("base.html")
        for name in ("title", "navbar", "container", "extra_scripts")
    ),
    "the navigation is a template of its own, and told the active tab": lambda: (
        '{% module Template("navbar.html", active_tab=' in _template("base.html")
        and "active_tab ==" in _template("navbar.html")
    ),
    "the navigation has the list that navbar.js adds to, before any other": lambda: (
        re.search(r'class="([^"]*\bapp-nav\b[^"]*)"', _template("navbar.html")) is not None
        and 'class="nav-item"' in _template("navbar.html")
        and 'class="nav-link' in _template("navbar.html")
    ),
    "every page says the url_prefix where progress.js reads it": lambda: (
        "url_prefix" in _element("base.html", "url_prefix")
    ),
    "styles have the colours and cards that progress.css and our pages use": lambda: all(
        part in (FLOWER / "static" / "css" / "flower.css").read_text()
        for part in (
            *("--flower-text-muted", "--flower-active", "--flower-success", "--flower-danger"),
            *("--flower-warning", "--flower-surface", ".page-section", ".page-header"),
            *(".page-eyebrow", ".detail-card", ".tasks-table-card"),
        )
    ),
    "the list has the elements that list.js changes": lambda: all(
        part in _template("tasks.html")
        for part in (
            *('id="tasks-table"', "data-column=", "task-state-filters", "tasks-page"),
            "id='time'",
        )
    ),
    "the page has the elements that page.js changes": lambda: all(
        part in _template("task.html")
        for part in (
            *('id="task-page"', "detail-page-header", "detail-actions", "detail-list"),
            *("detail-row", "<dt>{{ humanize(name) }}</dt>"),
        )
    ),
    "the list is a DataTable that fetches its rows, and leaves createdRow to us": lambda: (
        all(
            part in _script()
            for part in (
                *("$('#tasks-table').DataTable(", "'/tasks/datatable'", "serverSide: true"),
                "$('.task-state-filter').on('click'",
            )
        )
        and "createdRow" not in _script().partition("$('#tasks-table').DataTable(")[2]
    ),
}


@pytest.mark.parametrize("what", RESTS_ON)
def test_flower_is_still_as_ours_needs_it(what: str) -> None:
    assert RESTS_ON[what](), (
        f"This Flower has moved what farm_tasks/monitor/flower rests on: {what}. "
        "Look at seam.py, or at the file that is named."
    )
