"""A real Kitsu, Postgres and Redis on localhost, without Docker and without root.

For the demo and the tests. The files in the order in which they are needed: programs (where the
programs come from), roster (the processes), postgres, redis_server and kitsu (one program each),
services (their order), seed (what is in a new Kitsu), template (a filled one, kept), sandbox.
Nothing in farm_tasks but the command line imports it; it imports nothing of farm_tasks.
"""

from farm_tasks.sandbox.errors import SandboxError
from farm_tasks.sandbox.info import SandboxInfo
from farm_tasks.sandbox.sandbox import Row, Sandbox

__all__ = ["Row", "Sandbox", "SandboxError", "SandboxInfo"]
