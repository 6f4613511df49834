"""One host's share of a farm: docker-compose.yml with an environment file of the test's own."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.containers.engine import ROOT
from tests.support.waiting import wait_until

OFFLINE = ROOT / "build" / "offline.env"
"""Where the names of the images are: the tests' own, not the operator's .env."""

_SCRIPT = ROOT / "worker_config" / "farm.sh"


def docker(*arguments: str, check: bool = True) -> str:
    """What a docker command says."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def bridge() -> str:
    """The engine's own address: the same for this process and in every container.

    An engine that has made its network just now, on a host that had none, says the subnet alone.
    """
    [network] = json.loads(docker("network", "inspect", "bridge"))
    [config] = network["IPAM"]["Config"]
    return config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])


class Host:
    """A compose project.

    Args:
        name: Of the project.
        folder: For its environment file.
        settings: In place of .env.example's.
    """

    def __init__(self, name: str, folder: Path, **settings: str) -> None:
        self.name = name
        self.env_file = folder / f"{name}.env"
        text = OFFLINE.read_text()
        for key, value in {"COMPOSE_PROJECT_NAME": name, **settings}.items():
            text, found = re.subn(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
            assert found == 1, f".env.example has no {key}"
        self.env_file.write_text(text)

    def run(self, *arguments: str) -> str:
        """What worker_config/farm.sh says."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        done = subprocess.run(
            [_SCRIPT, *arguments],
            env={**kept, "ENV_FILE": str(self.env_file), "WAIT_SECONDS": "240"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"farm.sh {arguments}: {done.stdout[-3000:]}{done.stderr[-6000:]}")
        return done.stdout

    def containers(self, service: str = "", *, stopped: bool = False) -> list[dict[str, Any]]:
        """What docker inspect says of each container of a service, or of all."""
        label = f"com.docker.compose.project={self.name}"
        filters = ["--filter", f"label={label}"]
        if service:
            filters += ["--filter", f"label=com.docker.compose.service={service}"]
        ids = docker("ps", "--quiet", *filters, *(["--all"] if stopped else [])).split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    def address(self, service: str, port: int) -> str:
        """Where a port of a service is published, as ``address:port``."""
        [container] = self.containers(service)
        [place, *_] = container["NetworkSettings"]["Ports"][f"{port}/tcp"]
        return f"{place['HostIp']}:{place['HostPort']}"

    def wait_for_health(self, service: str, count: int) -> None:
        """Wait until so many containers of a service are healthy."""

        def healthy() -> bool:
            states = [one["State"]["Health"]["Status"] for one in self.containers(service)]
            return states.count("healthy") == count

        wait_until(healthy, 90, every=0.5)


def service_of(container: dict[str, Any]) -> str:
    """The name that docker-compose.yml has for it."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])
