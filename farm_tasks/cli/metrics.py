"""``metrics``: the exporter for Prometheus."""

from __future__ import annotations

import logging
import threading

import click

from farm_tasks.errors import NotConfigured


@click.command()
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen. Whoever can reach it can read it: nobody is asked for a password.",
)
@click.option(
    "--port", default=9540, show_default=True, metavar="PORT", type=click.IntRange(0, 65535),
    help="0 takes one that is free.",
)  # fmt: skip
def metrics(address: str, port: int) -> None:
    """Serve the farm's figures for Prometheus, at /metrics, until it is told to end.

    One is enough for a farm, wherever it reaches Redis; what is counted lies there. It needs
    FARM_TASKS_BROKER_URL and FARM_TASKS_RESULT_BACKEND, and only reads.
    """
    try:
        from farm_tasks.monitor.metrics.server import serving  # noqa: PLC0415 (not for --help)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("prometheus_client"):
            raise
        raise NotConfigured(
            "prometheus-client is not installed: pip install 'farm-tasks[metrics]'"
        ) from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with serving(address, port) as chosen:
        shown = f"[{address}]" if ":" in address else address
        click.echo(f"Serving http://{shown}:{chosen}/metrics")
        threading.Event().wait()
