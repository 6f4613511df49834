"""Events as anybody with the broker's password could send them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from celery.events.state import State
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_tasks.monitor.flower.events import believable
from farm_tasks.monitor.flower.row import Row, rank_progress
from farm_tasks.monitor.readable import LONGEST

HUGE = 10**400


def event(type_: str = "task-progress", **changes: Any) -> dict[str, Any]:
    made = {"type": type_, "uuid": "one", "hostname": "w@host", "timestamp": time.time()}
    return {**made, "clock": 7, "utcoffset": 0, "pid": 1, **changes}


def shown(*events: object) -> list[dict[str, Any]]:
    """What Flower would send to a browser; fails if it could not."""
    rank_progress()
    state = type("RowState", (State,), {"Task": Row})()
    for one in map(believable, events):
        if one is not None:
            state.event({"clock": 1, **one, "local_received": time.time()})
    rows = [{**row.as_dict(), "worker": None} for row in state.tasks.values()]
    assert all(isinstance(worker.alive, bool) for worker in state.workers.values())
    assert all(isinstance(row["name"], str | None) for row in rows)
    sorted(row["timestamp"] for row in rows)
    for row in rows:
        json.dumps(row, allow_nan=False).encode()
    return rows


def test_what_workers_send_is_believed() -> None:
    figures = {"file": "/p/a.mov", "percent": 4.5, "bytes_read": 45, "total": 1000, "attempt": 1}
    sent = event(name="farm_tasks.x", eta=9.5, **figures)
    assert believable(sent) == sent
    beat = event("worker-heartbeat", freq=2.0, active=1, processed=4, loadavg=[0.1, 0.2, 0.3])
    beat.update(sw_ident="py-celery", sw_ver="5.6.0", sw_sys="Linux")
    assert believable(beat) == {name: beat[name] for name in beat if name != "uuid"}
    own = event("task-some-step", name="other.app", kwargs="{'shot': <object at 0x7f>...")
    assert believable(own) == own


@pytest.mark.parametrize(
    "forged",
    [
        *(None, 5, "task-sent", [], {}, {"type": 5}, {"type": "task-sent"}),
        *(event("task-"), event("reply-x"), event("task-" + "x" * 101), event("task-\n")),
        *(event(uuid=one) for one in (None, "", 5, [], {})),
        *(event(hostname=one) for one in (None, "", 5, [])),
        *(event(timestamp=one) for one in (None, "now", float("nan"), 1e300, HUGE, 0, -5)),
    ],
)
def test_what_is_no_event_is_left_out(forged: object) -> None:
    assert believable(forged) is None


@pytest.mark.parametrize(
    "changes",
    [
        *({name: 5} for name in ("name", "args", "kwargs", "file", "exception", "result")),
        *({"runtime": one} for one in (float("nan"), float("inf"), HUGE, "1", True, [1])),
        *({"percent": one} for one in (float("nan"), HUGE)),
        *({"clock": one} for one in (None, "x", float("inf"), HUGE, -1)),
        *(
            {name: 5}
            for name in ("as_dict", "event", "children", "worker", "state", "sent", "first_seen")
        ),
        *({"kwargs": one} for one in ("{[]: 1}", "-" * 9999 + "1", "(" * 5000, "\0")),
        *({"eta": one} for one in (float("nan"), [1])),
        {"name": "\ud800"},
        {"utcoffset": HUGE},
        {"utcoffset": "x"},
    ],
)
@pytest.mark.parametrize("type_", ["task-sent", "task-received", "task-progress", "task-failed"])
def test_a_forged_field_does_not_blind_the_list(type_: str, changes: dict[str, Any]) -> None:
    both = shown(event(uuid="real", name="farm_tasks.x"), event(type_, **changes))
    assert [one["uuid"] for one in both] == ["real", "one"]


@pytest.mark.parametrize(
    "changes", [{"freq": None}, {"freq": 0}, {"freq": "x"}, {"heartbeats": 5}, {"event": 5}]
)
def test_a_forged_heartbeat_does_not_blind_the_workers(changes: dict[str, Any]) -> None:
    shown(event("worker-heartbeat", **changes), event("worker-heartbeat"))


def test_texts_end_somewhere_and_can_be_sent() -> None:
    [row] = shown(event(file="x" * 10**6, name="farm\udcff"))
    assert (len(row["file"]), row["name"]) == (LONGEST, "farm\\udcff")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=3,
)
_NAMES = st.sampled_from(
    [
        *("name", "uuid", "type", "hostname", "clock", "args", "kwargs", "runtime", "eta"),
        *("percent", "worker", "children", "state", "as_dict", "freq", "root_id", "parent_id"),
    ]
)


@settings(max_examples=25)
@given(st.lists(st.dictionaries(_NAMES, _JSON, max_size=4), max_size=3))
def test_nothing_blinds_it(forged: list[dict[str, Any]]) -> None:
    events = [{**event(), **one} for one in forged]
    assert shown(event(uuid="real"), *events)[0]["uuid"] == "real"
