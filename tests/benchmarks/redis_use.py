"""What Redis had to do, by its own account."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.support.redis_server import RedisServer


@dataclass(frozen=True)
class RedisUse:
    """Since it was started, or between two readings.

    Attributes:
        seconds: The time that this is of.
        calls: How often each command was called, also by a script.
        bytes_in, bytes_out: Over all its connections.
        cpu: User and system seconds.
        clients: Connections that are open.
    """

    seconds: float
    calls: dict[str, int]
    bytes_in: int
    bytes_out: int
    cpu: float
    clients: int

    @property
    def commands(self) -> int:
        return sum(self.calls.values())

    @property
    def reads(self) -> int:
        """How often records, and wishes to cancel, were read."""
        return self.calls.get("get", 0) + self.calls.get("mget", 0)

    def since(self, before: RedisUse) -> RedisUse:
        """What came after an earlier reading."""
        calls = {name: count - before.calls.get(name, 0) for name, count in self.calls.items()}
        return RedisUse(
            self.seconds - before.seconds,
            calls,
            self.bytes_in - before.bytes_in,
            self.bytes_out - before.bytes_out,
            self.cpu - before.cpu,
            self.clients,
        )


def read(redis: RedisServer) -> RedisUse:
    """All of it until now, this question included."""
    with redis.client() as client:
        info = client.info("all")
    prefix = "cmdstat_"
    calls = {
        name.removeprefix(prefix): value["calls"]
        for name, value in info.items()
        if name.startswith(prefix)
    }
    calls.pop("info", None)
    return RedisUse(
        time.monotonic(),
        calls,
        info["total_net_input_bytes"],
        info["total_net_output_bytes"],
        info["used_cpu_user"] + info["used_cpu_sys"],
        info["connected_clients"],
    )
