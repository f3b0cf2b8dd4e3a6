"""Networks and containers of one test, removed when it ends."""

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.bare import PYTHON
from tests.engine.lab import image
from tests.engine.lab.host import Host
from tests.engine.lab.outside import PORT
from tests.engine.lab.process import wait_until
from tests.engine.lab.service import published_by_pynet
from tests.engine.lab.shell import CommandFailed, run

QUICK = ("--log-driver", "none", "--stop-signal", "KILL")  # sleep as process 1 ignores SIGTERM
PROBE, ECHO = Path(__file__).with_name("probe.py"), Path(__file__).with_name("echo.py")
_numbers = count(1)


def seen_from(net: Callable[..., str], address: str, kind: str = "tcp", port: int = PORT) -> str:
    """The source address that the echo at ``address`` sees when ``net`` runs a probe; "" when it cannot be reached."""
    try:
        return net(*PYTHON, str(PROBE), kind, address, str(port))
    except CommandFailed as failure:
        if "Traceback" in failure.stderr:
            raise
        return ""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container."""

    name: str
    host: Host

    def exec(self, *argv: str) -> str:
        """Run a command in it and return what it printed."""
        return self.host.docker("exec", self.name, *argv)

    def inspect(self) -> dict[str, Any]:
        """What ``docker inspect`` says about it."""
        found: dict[str, Any] = self.host.api.call("GET", f"/containers/{self.name}/json")
        return found

    def endpoint(self, network: str) -> dict[str, Any]:
        """What ``docker inspect`` says about its place on a network."""
        found: dict[str, Any] = self.inspect()["NetworkSettings"]["Networks"][network]
        return found

    def ip(self, network: str) -> str:
        """Its IPv4 address on a network."""
        return str(self.endpoint(network)["IPAddress"])

    def ip6(self, network: str) -> str:
        """Its global IPv6 address on a network."""
        return str(self.endpoint(network)["GlobalIPv6Address"])

    def net(self, *argv: str | Path) -> str:
        """Run a command of the machine in its network namespace; quicker than ``exec``, but without its file system."""
        return run("nsenter", f"--net={self.namespace}", "--", *argv)

    @property
    def namespace(self) -> Path:
        """Its network namespace."""
        return self.host.path(f"/proc/{self.inspect()['State']['Pid']}/ns/net")

    def reaches(self, target: str) -> bool:
        """Whether one of two pings to an address or name is answered within a second."""
        try:
            self.exec("ping", "-c", "2", "-i", "0.2", "-W", "1", target)
        except CommandFailed:
            return False
        return True

    def seen_by(self, address: str, kind: str = "tcp", port: int = PORT) -> str:
        """The source address that the echo at ``address`` sees; "" when it cannot be reached."""
        return seen_from(self.net, address, kind, port)


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the host that leads to a container."""

    proto: str
    host_ip: str
    host_port: int
    container_port: int


class Scene:
    """Makes networks of one driver, and containers; ``close`` removes all of them."""

    def __init__(self, host: Host, driver: str) -> None:
        self.host = host
        self.driver = driver
        self._containers: list[str] = []
        self._echoes: list[subprocess.Popen[bytes]] = []
        self._networks: list[str] = []

    def network(self, *arguments: str, driver: str = "") -> str:
        """Create a network of the scene's driver, or of another, and return its name."""
        name = f"net{next(_numbers)}"
        self.host.docker("network", "create", "--driver", driver or self.driver, *arguments, name)
        self._networks.append(name)
        return name

    def refused(self, *arguments: str) -> str:
        """Try to create a network, which has to fail, and return the complaint."""
        name = f"net{next(_numbers)}"
        complaint = self.host.docker.fails("network", "create", "--driver", self.driver, *arguments, name)
        assert name not in self.host.docker("network", "ls", "--format", "{{.Name}}").split()
        return complaint

    def container(self, network: str, *arguments: str) -> Container:
        """Start a container on a network and return it."""
        name = f"box{next(_numbers)}"
        self._containers.append(name)
        self.host.docker("run", "-d", "--name", name, *QUICK, "--network", network, *arguments, image.NAME)
        return Container(name, self.host)

    def containers(self, network: str, number: int, *arguments: str) -> Sequence[Container]:
        """Start several containers at once."""
        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(lambda _: self.container(network, *arguments), range(number)))

    def run_fails(self, network: str, *arguments: str) -> str:
        """Try to start a container, which has to fail, and return the complaint."""
        name = f"box{next(_numbers)}"
        self._containers.append(name)
        return self.host.docker.fails("run", "-d", "--name", name, "--network", network, *arguments, image.NAME)

    def echo(self, container: Container, *ports: int) -> None:
        """Answer on ports of a container, TCP and UDP, with the address that asked."""
        words = [str(port) for port in ports or (PORT,)]
        command = ["nsenter", f"--net={container.namespace}", "--", *PYTHON, str(ECHO), *words]
        echo = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._echoes.append(echo)
        assert echo.stdout is not None
        assert echo.stdout.readline() == b"ready\n"

    def server(self, network: str, *arguments: str) -> Container:
        """Start a container with an echo on port 7777."""
        container = self.container(network, *arguments)
        self.echo(container)
        return container

    def ports(self, container: Container) -> list[PublishedPort]:
        """What is published for a container: Docker says it of its own drivers, ``pynet ports`` of pynet's."""
        if self.driver != "bridge":
            rows = [row for row in published_by_pynet(self.host) if row["container"] == container.name]
            return [PublishedPort(r["proto"], r["host_ip"], r["host_port"], r["container_port"]) for r in rows]
        found = container.inspect()["NetworkSettings"]["Ports"] or {}
        return [
            PublishedPort(
                key.partition("/")[2], binding["HostIp"], int(binding["HostPort"]), int(key.partition("/")[0])
            )
            for key, bindings in found.items()
            for binding in bindings or ()
        ]

    def remove(self, name: str) -> None:
        """Remove a network now."""
        self.host.docker("network", "rm", name)
        self._networks.remove(name)

    def clear(self) -> None:
        """Remove all containers now, one after the other.

        ``docker rm`` of many removes them at once, and 20.10 then sometimes counts an endpoint too many: it has called
        DeleteEndpoint for each of thirty and still refuses to remove the network.
        """
        while self._echoes:
            self._echoes.pop().communicate()
        while self._containers:
            self.host.docker("rm", "-f", self._containers[-1])
            self._containers.pop()

    def close(self) -> None:
        """Remove everything that is left."""
        self.clear()
        while self._networks:
            wait_until(lambda: self._removed(self._networks[-1]), f"network {self._networks[-1]} to be empty", 10)
            self._networks.pop()

    def _removed(self, network: str) -> bool:
        """Remove a network; 20.10 may still be taking its last endpoint off when ``docker rm -f`` is through."""
        try:
            self.host.docker("network", "rm", network)
        except CommandFailed as failure:
            if "active endpoints" not in failure.stderr:
                raise
            return False
        return True
