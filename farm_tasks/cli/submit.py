"""``submit``: a command for each function of :mod:`farm_tasks.submit`, made of its signature."""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

from farm_tasks import submit as functions
from farm_tasks.cli import views
from farm_tasks.cli.outcome import as_dict, error_of, exit_code, print_json
from farm_tasks.cli.root import print_error
from farm_tasks.submit.sending import PATH_ARGUMENTS

if TYPE_CHECKING:
    from farm_tasks.submit.submission import Submission


_KEY_HELP = """\
Names this piece of work, such as deadline:<job id>:<content>. Submitted again with its key, it is
the same submission while that is queued or running, and after it has ended well; after it failed or
was cancelled, it runs again and goes on from what is done."""


_HELP = {
    "key": _KEY_HELP,
    "priority": "High is taken before what waits already, low after all else.",
    "farm_job": "The farm job that this belongs to. By default what FARM_TASKS_FARM_JOB says, or "
    "what OpenCue or Qube call it.",
}


class _Functions(click.Group):
    """One command per function; gazu's names, with ``_`` or ``-``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in functions.__all__ if name[0].islower() and name != "recent"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("-", "_")
        if name not in self.list_commands(ctx):
            return None
        return command_of(getattr(functions, name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # In sections, and without click's cutting of the lines.
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            function = getattr(functions, name)
            section = function.__module__.rpartition(".")[2].capitalize()
            sections.setdefault(section, []).append((name, _help(function)))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows, col_max=32)


@click.group(cls=_Functions)
def submit() -> None:
    """Submit a transfer, by the name and with the arguments of gazu's function.

    Prints the submission's id and returns at once; a worker does the rest. Entities are given by
    their ids (UUIDs), files by paths as the worker sees them. What a farm may submit
    twice wants a --key.
    """


def command_of(function: Callable[..., Submission]) -> click.Command:
    """A command that calls ``function``.

    What the function requires is an argument, the rest are options.
    """
    hints = typing.get_type_hints(function)
    parameters: list[click.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        kind = _kind(parameter.name, hints[parameter.name])
        if parameter.default is inspect.Parameter.empty:
            parameters.append(click.Argument([parameter.name], type=kind.type))
        else:
            parameters.append(_option(parameter, kind))
    parameters += [
        click.Option(["--wait"], is_flag=True, help="Stay until the end, silently."),
        click.Option(["--watch"], is_flag=True, help="Stay until the end and show the progress."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON instead of the id."),
    ]

    def callback(wait: bool, watch: bool, as_json: bool, **arguments: Any) -> None:
        submission = function(**_given(arguments))
        _after(submission, wait=wait, watch=watch, as_json=as_json)

    return click.Command(
        function.__name__,
        params=parameters,
        callback=callback,
        help=_help(function),
    )


def _after(submission: Submission, *, wait: bool, watch: bool, as_json: bool) -> None:
    if not as_json:
        click.echo(submission.id)
        sys.stdout.flush()  # whoever reads it need not wait for the end
    elif not wait and not watch:
        print_json({"id": submission.id})
    if not wait and not watch:
        return
    from farm_tasks.cli.follow import follow_to_end  # noqa: PLC0415 (not for --help)

    ids = [submission.id]
    view = views.choose(ids, as_json=as_json, on_stderr=True) if watch else views.Silent()
    record = follow_to_end(ids, view, name=submission.id)[0]
    if as_json and not watch:
        print_json(as_dict(record))
    error = error_of(record)
    if error is not None and not watch:
        print_error(str(error))
    click.get_current_context().exit(exit_code(record))


class _Kind(typing.NamedTuple):
    type: click.ParamType[Any]
    metavar: str | None = None
    multiple: bool = False
    is_json: bool = False


def _kind(name: str, hint: Any) -> _Kind:
    """How a value of this type is written on a command line."""
    options = _members(hint)
    if get_origin(hint) is typing.Literal:
        return _Kind(click.Choice(get_args(hint)))
    metavar = "PATH" if name in PATH_ARGUMENTS or name == "attachments" else None
    for one in options:
        if get_origin(one) is list:
            if get_origin(get_args(one)[0]) is dict:
                return _Kind(click.STRING, "JSON", is_json=True)
            return _Kind(click.STRING, metavar, multiple=True)
    for type_, kind in ((bool, click.BOOL), (int, click.INT), (float, click.FLOAT)):
        if type_ in options:
            return _Kind(kind)
    if str in options:
        is_entity = any(get_origin(one) is Mapping for one in options)
        return _Kind(click.STRING, "ID" if is_entity else metavar)
    raise NotImplementedError(f"no command line form for {hint}")


def _members(hint: Any) -> list[Any]:
    if get_origin(hint) in {typing.Union, types.UnionType}:
        return [one for one in get_args(hint) if one is not type(None)]
    return [hint]


def _option(parameter: inspect.Parameter, kind: _Kind) -> click.Option:
    kebab = parameter.name.replace("_", "-")
    if kind.type is click.BOOL:
        return click.Option(
            [f"--{kebab}/--no-{kebab}", parameter.name],
            default=parameter.default,
            show_default=True,
        )
    hints = [
        "A list of objects, or @FILE with it." if kind.is_json else "",
        "May be given more than once." if kind.multiple else "",
        _HELP.get(parameter.name, ""),
    ]
    return click.Option(
        [f"--{kebab}", parameter.name],
        type=kind.type,
        metavar=kind.metavar,
        multiple=kind.multiple,
        default=parameter.default if isinstance(kind.type, click.Choice) else None,
        show_default=isinstance(kind.type, click.Choice),
        callback=_decode if kind.is_json else None,
        help=" ".join(filter(None, hints)) or None,
    )


def _decode(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    """JSON text, or what is in the file after an ``@``."""
    if value is None:
        return None
    try:
        text = Path(value[1:]).read_text(encoding="utf-8") if value[:1] == "@" else value
        decoded = json.loads(text)
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    if not isinstance(decoded, list) or not all(isinstance(one, dict) for one in decoded):
        raise click.BadParameter("not a JSON list of objects")
    return decoded


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those that were left out, whose defaults are the function's."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in arguments.items()
        if value is not None and value != ()
    }


def _help(function: Callable[..., Submission]) -> str:
    text = inspect.getdoc(function) or ""
    return text.partition("\nArgs:")[0].partition("\nRaises:")[0].replace("``", "`")
