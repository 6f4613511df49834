"""What a task is called with, checked before it runs: a message may come from anyone.

Types are those of the task's own signature. Nothing here quotes a value: it may be huge, or not be
meant for a log.
"""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farm_tasks.entity import is_entity
from farm_tasks.errors import InvalidArgument

if typing.TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST_MESSAGE = 256 * 1024
"""Bytes: a message holds ids and paths; what is larger is a mistake, and would fill Redis."""

LONGEST_TEXT = 64 * 1024
"""Characters of one argument."""

LONGEST_LIST = 1000
"""Items of one argument."""

_LONGEST_NAME = 80


def check(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """See that ``function`` can be called with these arguments.

    Args:
        function: A task's ``run``.
        args: Its positional arguments, as JSON gives them.
        kwargs: Its keyword arguments.

    Raises:
        InvalidArgument: one is missing, unknown, of another type than the signature says, or too
            large.
    """
    signature, model = _expected(getattr(function, "__func__", function))
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidArgument(f"{function.__name__}: {_cut(str(error))}.") from None
    _check_size(args, kwargs)
    _check_types(model, function.__name__, given)


@functools.lru_cache(maxsize=128)
def _expected(function: Callable[..., Any]) -> tuple[inspect.Signature, type[BaseModel]]:
    """The signature without ``self``, and what checks the types in it. Made at the first call."""
    # Here, because a submitter needs this module's figures alone.
    from pydantic import ConfigDict, create_model  # noqa: PLC0415

    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    hints = typing.get_type_hints(function)
    fields: dict[str, Any] = {one.name: (hints.get(one.name, Any), None) for one in parameters}
    strict = ConfigDict(strict=True, str_max_length=LONGEST_TEXT)
    model = create_model("Arguments", __config__=strict, **fields)
    return signature.replace(parameters=parameters), model


def _check_size(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    try:
        size = len(json.dumps([args, kwargs]))
    except RecursionError:
        raise InvalidArgument("The arguments are nested too deep.") from None
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"The arguments are no JSON ({type(error).__name__}).") from None
    if size > LARGEST_MESSAGE:
        raise InvalidArgument(
            f"The arguments have {size:,} bytes; a submission takes {LARGEST_MESSAGE:,}."
        )
    for name, value in [*enumerate(args), *kwargs.items()]:
        if isinstance(value, list) and len(value) > LONGEST_LIST:
            raise InvalidArgument(
                f"{name}: a list of {len(value):,} items; {LONGEST_LIST:,} are taken."
            )


def _check_types(model: type[BaseModel], function: str, given: dict[str, Any]) -> None:
    from pydantic import ValidationError  # noqa: PLC0415

    # An entity may be a dict: whether it holds an id is for whoever needs the id.
    values = {
        name: "" if isinstance(value, Mapping) and is_entity(function, name) else value
        for name, value in given.items()
    }
    try:
        model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        # The name of a file need not be UTF-8. Python's own text can hold it, pydantic's cannot.
        fine = {one["loc"][0] for one in problems if one["type"] == "string_unicode"}
        for problem in problems:
            if problem["loc"][0] not in fine:
                name = str(problem["loc"][0])
                raise InvalidArgument(f"{name}: {_cut(problem['msg'])}.") from None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."
