"""The exporter's HTTP server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server

from farm_tasks.errors import InvalidArgument
from farm_tasks.monitor.metrics.collector import FarmCollector
from farm_tasks.monitor.metrics.connection import connect


@contextlib.contextmanager
def serving(address: str, port: int) -> Iterator[int]:
    """Serve the metrics in threads, as long as the block lasts.

    Args:
        address: Where to listen.
        port: 0 for one that is free.

    Yields:
        The port.

    Raises:
        InvalidArgument: one cannot listen there.
    """
    collector = FarmCollector(connect())
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, address, registry)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgument(f"Cannot listen on {address}, port {port}: {reason}.") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        collector.close()
