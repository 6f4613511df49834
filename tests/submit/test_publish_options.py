"""The arguments of ``publish`` stand in many places: all of them say the same."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import click
import pytest

from farm_tasks import submit
from farm_tasks.batches import columns, rows
from farm_tasks.cli import batch_publish
from farm_tasks.cli.publish import publish as command
from farm_tasks.farms import client
from farm_tasks.frame_number import FRAME_NUMBER
from farm_tasks.submit import sending

SIGNATURE = inspect.signature(submit.publish).parameters
HINTS = typing.get_type_hints(submit.publish)
HOW = {"key", "priority", "farm_job"}
ALL = set(SIGNATURE)
WHAT = ALL - HOW
PATHS = {"previews", "attachments", "frames", "logo", "movie_path"}


def options(of: click.Command) -> dict[str, click.Parameter]:
    return {str(one.name): one for one in of.params}


def choices(name: str) -> set[str]:
    """The words that a Literal somewhere in an argument's type allows."""
    found: set[str] = set()
    waiting: list[Any] = [HINTS[name]]
    while waiting:
        one = waiting.pop()
        if typing.get_origin(one) is typing.Literal:
            found |= set(typing.get_args(one))
        else:
            waiting += typing.get_args(one)
    return found


def test_the_command_has_an_option_for_every_argument() -> None:
    of_the_command = {
        "quiet", "from_stdin", "wait", "progress", "timeout", "spool", "spooled_exit", "as_json",
    }  # fmt: skip
    assert set(options(command)) - of_the_command == ALL


def test_a_list_has_a_column_for_every_argument() -> None:
    assert set(columns.ARGUMENTS) == ALL
    assert set(columns.ALIASES.values()) <= ALL


def test_a_batch_has_an_option_for_whatever_can_count_for_all_rows() -> None:
    of_one_row = {"task", "previews", "frames", "attachments", "movie_path", "key"}
    of_the_batch = {
        "list_path", "folder", "key_prefix", "again", "dry_run", "report_path", "no_watch",
        "as_json", *columns.TARGET_FIELDS,
    } - {"shot", "asset"}  # fmt: skip
    assert set(options(batch_publish.publish)) == (ALL - of_one_row) | of_the_batch


def test_a_batch_calls_its_options_as_publish_does() -> None:
    single = options(command)
    for name, one in options(batch_publish.publish).items():
        if name in WHAT:
            assert (one.opts, one.secondary_opts) == (
                single[name].opts,
                single[name].secondary_opts,
            )


def test_what_is_of_frames_alone_is_an_argument() -> None:
    without_files = {
        "frame_range",
        "fps",
        "missing_frames",
        "color_config",
        "color_space",
        "display",
        "view",
        "burn_in",
        "slate",
        "logo",
        "silent_audio",
        "movie_path",
    }
    assert without_files == rows._OF_FRAMES  # fmt: skip
    assert without_files < WHAT


def test_the_worker_takes_every_argument_with_the_same_default() -> None:
    from farm_tasks.worker.tasks.publishing import publish as task

    taken = inspect.signature(task.run).parameters
    assert set(taken) == WHAT
    assert {name: taken[name].default for name in WHAT} == {
        name: SIGNATURE[name].default for name in WHAT
    }


@pytest.mark.parametrize("name", ["missing_frames", "burn_in"])
def test_the_words_to_choose_from_are_the_same_everywhere(name: str) -> None:
    from farm_tasks.media import encoding, sequence

    made = {"missing_frames": sequence.POLICIES, "burn_in": encoding.BURN_INS}
    assert choices(name) == set(made[name])
    for of in (command, batch_publish.publish):
        kind = options(of)[name].type
        assert isinstance(kind, click.Choice)
        assert set(kind.choices) == choices(name)


def test_the_same_arguments_are_paths_for_whoever_makes_them_absolute() -> None:
    ours = (sending.PATH_ARGUMENTS | sending.PATH_LISTS) & WHAT
    assert ours == set(client._PATHS) == PATHS
    assert {"previews", "attachments"} == sending.PATH_LISTS
    as_path = {name for name, one in options(command).items() if isinstance(one.type, click.Path)}
    assert as_path - {"spool"} == PATHS - {"frames"}  # a pattern is no file


def test_the_number_of_a_frame_is_read_alike() -> None:
    assert client._FRAME_NUMBER.pattern == FRAME_NUMBER.pattern
