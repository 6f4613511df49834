"""What gazu has, we have: a new gazu shows its new functions here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import gazu
import pytest

import farm_tasks.submit
from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app

NOT_WRAPPED = {
    "gazu.client.upload": "the seam itself: every function ends here",
    "gazu.client.download": "the seam itself: every function ends here",
    "gazu.files._upload_avatar": "private, behind upload_*_avatar",
    "gazu.files._download_avatar": "private, behind download_*_avatar",
    "gazu.task.create_multiple_comments": "zou 1.0.97 answers 400 always",
}
COMPOSED = ("add_preview", "add_extra_preview", "publish_preview")
OURS = {"client", "progress_callback", "ledger", "key", "priority", "farm_job"}
WE_ADD = {"publish_preview": {"wait_until_ready"}}


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module_info in pkgutil.iter_modules(gazu.__path__):
        if module_info.name in {"aio", "cli", "__main__"}:
            continue
        module = importlib.import_module(f"gazu.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                yield f"{module.__name__}.{name}", function


CALLBACK_TAKERS = {
    name: function
    for name, function in _functions()
    if "progress_callback" in inspect.signature(function).parameters
}
WRAPPED = {
    **{name: one for name, one in CALLBACK_TAKERS.items() if name not in NOT_WRAPPED},
    **{f"gazu.task.{name}": getattr(gazu.task, name) for name in COMPOSED},
}


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in OURS | {"self"}
    }


def test_gazu_has_the_functions_that_this_test_was_written_for() -> None:
    assert len(CALLBACK_TAKERS) >= 34


@pytest.mark.parametrize("name", sorted(CALLBACK_TAKERS))
def test_every_gazu_function_with_a_callback_is_wrapped_or_listed_with_a_reason(name: str) -> None:
    short = name.rpartition(".")[2]
    assert (short in operations.__all__) != (name in NOT_WRAPPED)


def test_what_is_listed_as_not_wrapped_still_exists_in_gazu() -> None:
    assert set(NOT_WRAPPED) <= set(CALLBACK_TAKERS)


@pytest.mark.parametrize("name", sorted(WRAPPED))
def test_an_operation_takes_gazus_arguments_in_gazus_order(name: str) -> None:
    ours = _parameters(getattr(operations, name.rpartition(".")[2]))
    theirs = _parameters(WRAPPED[name])
    added = WE_ADD.get(name.rpartition(".")[2], set())
    assert [one for one in ours if one not in added] == list(theirs)
    # A picture has to go somewhere: where gazu can return it unsaved, we ask for a path.
    for parameter, default in theirs.items():
        if not (parameter == "file_path" and name.startswith("gazu.files.extract_")):
            assert ours[parameter] == default


@pytest.mark.parametrize("name", sorted(operations.__all__))
def test_a_task_and_a_submitters_function_take_what_the_operation_takes(name: str) -> None:
    app.loader.import_default_modules()
    operation = _parameters(getattr(operations, name))
    task = _parameters(app.tasks[f"farm_tasks.{name}"].run)
    assert _parameters(getattr(farm_tasks.submit, name)) == task
    if name == "publish":
        # A worker turns what it is told of frames into something that makes their movie.
        del operation["movie"]
        task = dict(list(task.items())[: len(operation)])
    assert task == operation


def test_there_is_no_task_without_an_operation() -> None:
    app.loader.import_default_modules()
    tasks = {name.removeprefix("farm_tasks.") for name in app.tasks if "farm_tasks." in name}
    assert tasks == set(operations.__all__)
