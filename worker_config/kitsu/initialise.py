"""Bring Kitsu's database up to zou's version and, if it is new, make the administrator.

Run by the Python that has zou in it. The password comes by the standard input, since whoever sees
the processes sees their command lines.
"""

import os
import sys

import psycopg
from zou.cli import cli


def _run(*command: str) -> None:
    cli.main(list(command), standalone_mode=False)


def _has_people() -> bool:
    place = {
        "host": os.environ["DB_HOST"],
        "dbname": os.environ["DB_DATABASE"],
        "user": os.environ["DB_USERNAME"],
        "password": os.environ["DB_PASSWORD"],
    }
    with psycopg.connect(**place) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM person)").fetchone()
    return row is not None and row[0]


_run("upgrade-db", "--no-telemetry")
if not _has_people():
    _run("init-data")
    # Last: who finds somebody there knows that the rest is there as well.
    _run("create-admin", os.environ["KITSU_ADMIN"], "--password", sys.stdin.read().strip())
