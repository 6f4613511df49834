"""Pointing this process, as a submitter, at another Redis and Kitsu."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

from farm_tasks.kitsu.client import forget_client
from farm_tasks.settings import settings
from farm_tasks.submit import connection
from tests.support.worker import KITSU_VARIABLES


def _forget() -> None:
    # Celery's configuration reads the environment when it is imported, once per process.
    sys.modules.pop("worker_config.celeryconfig", None)
    settings.cache_clear()
    if connection.redis_client.cache_info().currsize:
        connection.redis_client().connection_pool.disconnect()
        connection.redis_client.cache_clear()
    if connection.sender.cache_info().currsize:
        connection.sender().close()
        connection.sender.cache_clear()
    forget_client()


@contextlib.contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    before = {k: v for k, v in os.environ.items() if k.startswith(KITSU_VARIABLES)}
    for name in before:
        del os.environ[name]
    os.environ.update(variables)
    _forget()
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)
        _forget()
