"""A message as the broker has it: what is taken, and what is not.

Celery trusts its messages: a header of another type than it expects ends the worker, a field says
which queue the message goes back to, and a link in it may name any task, in any queue that the
worker's own account reaches. So a message is checked before Celery sees it, and what is passed on
is made of what was checked.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

from celery.app.task import Context
from kombu.utils.json import loads
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from farm_tasks.arguments import LARGEST_MESSAGE
from farm_tasks.queues import MOST_PRIORITY, NORMAL, priority_number
from farm_tasks.states import FARM_JOB_FIELD, LONGEST_FARM_JOB

LARGEST_ENVELOPE = 2 * LARGEST_MESSAGE
"""Bytes of a message with its headers, its body as base64."""

LONGEST_WAIT = datetime.timedelta(days=7)
"""A message whose time is later than that would sit in a worker, unacknowledged, until then."""

DEEPEST = 32
"""Levels of lists and dicts within each other."""

_SHOWN = 4096
"""Characters of what is only shown."""

OF_A_RUN = frozenset(
    "began confinement files known lease lease_ended ledger meter progress sources stored".split()
)
"""What a run keeps on Celery's request, which has the message's headers as its attributes as well:
no message may bring it along."""


_EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_LATEST = datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC)


class Unacceptable(Exception):
    """The message is not one that a worker takes. Says why, without what is in it."""


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("a time that is far off")
    return moment


def _soon(text: str) -> str:
    moment = _moment(text)
    if moment > datetime.datetime.now(datetime.UTC) + LONGEST_WAIT:
        raise ValueError(f"later than in {LONGEST_WAIT.days} days")
    return moment.isoformat()


def _shown(text: str) -> str:
    return text[:_SHOWN]


# No colon: ids are parts of the names of keys. No control characters: they are shown.
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,200}$")]
_TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
_OurTask = Annotated[str, Field(pattern=r"^farm_tasks\.[a-z0-9_]{1,100}$")]
_OurQueue = Annotated[str, Field(pattern=r"^farm_tasks[A-Za-z0-9_.-]{0,100}$")]
_Shown = Annotated[str, AfterValidator(_shown)]
_Seconds = Annotated[float, Field(ge=1, le=30 * 86400, allow_inf_nan=False)]
_Soon = Annotated[str, Field(max_length=64), AfterValidator(_soon)]
_Moment = Annotated[
    str, Field(max_length=64), AfterValidator(lambda text: _moment(text).isoformat())
]


class _Headers(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    task: _TaskName
    id: _Id
    lang: Literal["py"] = "py"
    root_id: _Id | None = None
    parent_id: _Id | None = None
    group: _Id | None = None
    retries: int = Field(0, ge=0, le=10_000)
    eta: _Soon | None = None
    expires: _Moment | None = None
    timelimit: Annotated[list[_Seconds | None], Field(min_length=2, max_length=2)] = [None, None]
    argsrepr: _Shown | None = None
    kwargsrepr: _Shown | None = None
    origin: _Shown | None = None


class _DeliveryInfo(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    redelivered: bool = False


class _Properties(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    correlation_id: _Id | None = None
    reply_to: _Id | None = None
    delivery_mode: Literal[1, 2] = 2
    priority: int | None = Field(None, ge=-(2**31), le=2**31)
    body_encoding: Literal["base64"] | None = None
    delivery_info: _DeliveryInfo = _DeliveryInfo()


class _Envelope(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: dict[str, Any]
    properties: _Properties


class _LinkOptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    task_id: _Id | None = None
    root_id: _Id | None = None
    parent_id: _Id | None = None
    reply_to: _Id | None = None
    queue: _OurQueue | None = None
    priority: int | None = None
    countdown: float | None = Field(None, ge=0, le=LONGEST_WAIT.total_seconds())
    link: list[_Link] | None = Field(None, max_length=16)
    link_error: Annotated[list[JsonValue], Field(max_length=0)] | None = None


class _Link(BaseModel):
    """What runs after a task that has succeeded: one of our own, in a queue of ours."""

    model_config = ConfigDict(strict=True, extra="forbid")

    task: _OurTask
    args: list[JsonValue] = []
    keywords: dict[str, JsonValue] = Field({}, alias="kwargs")
    options: _LinkOptions
    subtask_type: None = None
    chord_size: None = None
    immutable: bool = False


class _Embedded(BaseModel):
    """What a body says of what comes after its task. Errors lead to nothing of ours."""

    model_config = ConfigDict(strict=True, extra="forbid")

    callbacks: list[_Link] | None = Field(None, max_length=16)
    chain: list[_Link] | None = Field(None, max_length=64)
    errbacks: Annotated[list[JsonValue], Field(max_length=0)] | None = None
    chord: None = None


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    args: list[Any]
    keywords: dict[str, Any] = Field(alias="kwargs")
    embed: _Embedded


def checked(data: bytes, queue: str) -> tuple[str, bytes]:
    """See that ``data`` is a message that a worker may take.

    Args:
        data: What was in the list in Redis.
        queue: The queue that it came from, to which it goes back if the worker dies.

    Returns:
        A delivery tag of its own, as the name it is kept under meanwhile is not the sender's to say
        either; and the message with that and nothing that was not checked.

    Raises:
        Unacceptable: it is not.
    """
    clean = _clean(lambda: json.loads(data), len(data), queue)
    tag = clean["properties"]["delivery_tag"] = str(uuid.uuid4())
    return tag, json.dumps(clean).encode()


def check_delivered(message: Any, queue: str) -> None:
    """See that a message from RabbitMQ is one that a worker takes, and leave only that of it.

    Args:
        message: kombu's; changed in place.
        queue: The queue that it came from, to which a retry of it is sent.

    Raises:
        Unacceptable: it is not.
    """
    body = message.body if message.body is not None else b""
    given = {
        "content-type": message.content_type,
        "content-encoding": message.content_encoding,
        "headers": message.headers,
        "properties": {**message.properties, "delivery_info": message.delivery_info},
    }

    def read() -> dict[str, Any]:
        text = body if isinstance(body, str) else bytes(body).decode("utf-8")
        return {**given, "body": text}

    clean = _clean(read, len(body), queue)
    message.headers = clean["headers"]
    message.properties = clean["properties"]
    message.delivery_info = {**message.delivery_info, **message.properties.pop("delivery_info")}


def _clean(read: Callable[[], Any], size: int, queue: str) -> dict[str, Any]:
    """What is taken of a message, with nothing that was not checked.

    Raises:
        Unacceptable: it is none.
    """
    if size > LARGEST_ENVELOPE:
        raise Unacceptable(f"it has {size:,} bytes, {LARGEST_ENVELOPE:,} are taken")
    try:
        envelope = _Envelope.model_validate(read())
        headers = _Headers.model_validate(envelope.headers)
        _check_body(_decoded(envelope))
    except ValidationError as error:
        raise Unacceptable(_problems(error)) from None
    except RecursionError:
        raise Unacceptable("it is nested too deep") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # Without what it says: that may quote the message.
        raise Unacceptable(f"it is no JSON that Celery sends ({type(error).__name__})") from None
    if headers.task.startswith("celery."):
        raise Unacceptable("it names one of Celery's own tasks")
    properties = envelope.properties.model_dump()
    # Where it goes back to is not the sender's to say.
    properties["delivery_info"] |= {"exchange": "", "routing_key": queue}
    # kombu writes 0 where nothing was said.
    priority = properties["priority"] or priority_number(NORMAL)
    properties["priority"] = min(max(priority, 0), MOST_PRIORITY)
    properties["reply_to"] = properties["reply_to"] or ""
    return {
        "body": envelope.body,
        "content-type": envelope.content_type,
        "content-encoding": envelope.content_encoding,
        "headers": {
            **_other_headers(envelope.headers),
            **headers.model_dump(),
            # How a transfer ends is always stored: without it nobody knows that it has.
            "ignore_result": False,
        },
        "properties": properties,
    }


def _decoded(envelope: _Envelope) -> Any:
    """The body, as Celery is going to read it."""
    body = envelope.body
    if envelope.properties.body_encoding == "base64":
        body = base64.b64decode(body, validate=True).decode("utf-8")
    return loads(body)


def _check_body(body: Any) -> None:
    if not isinstance(body, list) or len(body) != 3:
        raise Unacceptable("its body is not a list of arguments, keyword arguments and links")
    if _depth(body) > DEEPEST:
        raise Unacceptable("its body is nested too deep")
    args, kwargs, embed = body
    _Body.model_validate({"args": args, "kwargs": kwargs, "embed": {} if embed is None else embed})


def _depth(value: Any) -> int:
    """Levels, counted without recursion."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
        level = [one for one in below if isinstance(one, (dict, list))]
    return depth


def _other_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """A studio's own, such as those of a tracer: short texts and numbers under names of their own.

    A header of Celery's that was not checked would change what a task knows of itself; so would one
    named like what a run keeps.
    """
    return {
        name: value
        for name, value in headers.items()
        if name not in _Headers.model_fields
        and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", name)
        and not hasattr(Context, name)
        and name not in OF_A_RUN
        and name not in {"compression", "stamps", "groups"}
        and isinstance(value, (str, int))
        and len(str(value)[:_SHOWN]) < _SHOWN
        and (name != FARM_JOB_FIELD or _is_shown_as_it_is(value))
    }


def _is_shown_as_it_is(value: Any) -> bool:
    """Whether a farm job's name may stand on every line of a log."""
    return isinstance(value, str) and len(value) <= LONGEST_FARM_JOB and value.isprintable()


def _problems(error: ValidationError) -> str:
    """Which fields are wrong, and how; never what they hold."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part)[:40] for part in one['loc']) or 'message'}: "
        # What our own functions raise may quote the text that they could not read.
        f"{'not usable' if one['type'] == 'value_error' else one['msg']}"
        for one in problems[:3]
    )
