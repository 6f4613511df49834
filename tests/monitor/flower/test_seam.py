"""What of Flower's internals ours rests on. A newer Flower that moves one of them fails here, and
the test's name says which module of ours to look at: ``farm_tasks/monitor/flower/seam.py``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import states
from celery.events.state import State, Task
from flower import app, command, urls
from flower.api import BaseApiHandler, control
from flower.events import EventsState
from flower.options import default_options
from flower.utils import search
from flower.views import BaseHandler, monitor, tasks

FLOWER = Path(app.__file__).parent


def _template(name: str) -> str:
    return (FLOWER / "templates" / name).read_text()


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
    "every page is a BaseHandler": lambda: (
        issubclass(BaseApiHandler, BaseHandler) and issubclass(tasks.TaskView, BaseHandler)
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
def test_flower_is_still_as_seam_py_needs_it(what: str) -> None:
    assert RESTS_ON[what](), (
        f"This Flower has moved what farm_tasks/monitor/flower/seam.py rests on: {what}."
    )
