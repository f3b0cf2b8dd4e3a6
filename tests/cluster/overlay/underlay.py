"""The network between hosts: a switch in a namespace of its own with a cable for each, and a store of three servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster import consul
from tests.cluster.servers import zookeeper_command
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import CommandFailed, run

LINK = "ul0"  # a host's end of its cable
PREFIX4, PREFIX6 = "192.0.2.", "2001:db8::"
ZOOKEEPER = [
    *("tickTime=500", "initLimit=20", "syncLimit=8", "maxSessionTimeout=60000", "clientPort=2181", "maxClientCnxns=0"),
    *("admin.enableServer=false", "4lw.commands.whitelist=*"),
]


class Switch:
    """A bridge that hosts are plugged into; it ends with the process that holds its namespace."""

    def __init__(self) -> None:
        self._holder = hold_namespace()
        self.exec("ip", "link", "set", "lo", "up")
        self.exec("ip", "link", "add", "sw0", "type", "bridge", "mcast_snooping", "0")
        self.exec("ip", "link", "set", "sw0", "up")

    @property
    def pid(self) -> int:
        """The process that holds the namespace."""
        return self._holder.pid

    def exec(self, *argv: str) -> str:
        """Run a command of the machine on the switch."""
        return run("nsenter", "-t", str(self.pid), "-n", "--", *argv)

    def plug(self, name: str, pid: int, number: int) -> str:
        """Give the namespace of ``pid`` a cable with the addresses .NUMBER and ::NUMBER; return the first."""
        enter = ("nsenter", "-t", str(pid), "-n", "--", "ip")
        self.exec("ip", "link", "add", name, "type", "veth", "peer", "name", LINK, "netns", str(pid))
        self.exec("ip", "link", "set", name, "master", "sw0", "up")
        run(*enter, "address", "add", f"{PREFIX4}{number}/24", "dev", LINK)
        run(*enter, "-6", "address", "add", f"{PREFIX6}{number}/64", "dev", LINK, "nodad")
        run(*enter, "link", "set", LINK, "up")
        return f"{PREFIX4}{number}"

    @contextmanager
    def listening(self, name: str) -> Iterator[dict[str, Any]]:
        """Listen to the VXLAN on a host's cable while the block runs; the dict then holds frames and fragments.

        A frame is [VNI, destination MAC, EtherType, bytes of the packet on the underlay].
        """
        script = (
            "nsenter",
            "-t",
            str(self.pid),
            "-n",
            "--",
            sys.executable,
            "-m",
            "tests.cluster.overlay.listen",
            name,
        )
        heard: dict[str, Any] = {}
        with subprocess.Popen(script, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"ready\n"
            yield heard
            output, _ = listener.communicate()
            heard |= json.loads(output)

    def cut(self, name: str) -> None:
        """Pull a cable."""
        self.exec("ip", "link", "set", name, "nomaster")

    def mend(self, name: str) -> None:
        """Put a cable back."""
        self.exec("ip", "link", "set", name, "master", "sw0")

    def close(self) -> None:
        """End it; the cables go with it."""
        release_namespace(self._holder)


class StoreServer:
    """One server of a cluster store, in a namespace of its own on the underlay."""

    kind = ""
    port = 0

    def __init__(self, folder: Path, switch: Switch, number: int, members: dict[str, str]) -> None:
        self.name = f"{self.kind}{number}"
        self.folder, self.members = folder, members
        self._holder = hold_namespace()
        self.address = switch.plug(self.name, self._holder.pid, number)
        run(*self._enter(), "ip", "link", "set", "lo", "up")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the command that starts the server."""
        raise NotImplementedError

    def question(self) -> tuple[list[str], str]:
        """Return the question to a server, and a word in the answer of one that knows the cluster's leader."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server with its former data."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            argv = [*self._enter(), *self.command()]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers(self) -> bool:
        """Whether the cluster has a leader that this server knows."""
        command, word = self.question()
        try:
            return word in run(*self._enter(), *command)
        except CommandFailed:
            return False

    def kill(self) -> None:
        """End the server as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)

    def close(self) -> None:
        """End everything."""
        self.kill()
        release_namespace(self._holder)

    def _enter(self) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-n", "--"]


class EtcdServer(StoreServer):
    """One of an etcd."""

    kind, port = "etcd", 2379

    def command(self) -> list[str]:
        """Its own address twice: for clients and for the other servers."""
        cluster = ",".join(f"{name}=http://{address}:2380" for name, address in self.members.items())
        client, peer = f"http://{self.address}:2379", f"http://{self.address}:2380"
        argv = ["etcd", "--name", self.name, "--data-dir", str(self.folder / self.name)]
        argv += ["--listen-client-urls", client, "--advertise-client-urls", client]
        return [*argv, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster]

    def question(self) -> tuple[list[str], str]:
        """Its health, which is that of the cluster."""
        return ["curl", "--noproxy", "*", "-s", "-m", "1", f"http://{self.address}:{self.port}/health"], '"true"'


class ZooKeeperServer(StoreServer):
    """One of a ZooKeeper."""

    kind, port = "zookeeper", 2181

    def command(self) -> list[str]:
        """Its configuration is a file."""
        data = self.folder / self.name
        data.mkdir(exist_ok=True)
        names = list(self.members)
        (data / "myid").write_text(str(names.index(self.name) + 1))
        ensemble = [f"server.{n}={address}:2888:3888" for n, address in enumerate(self.members.values(), 1)]
        config = self.folder / f"{self.name}.cfg"
        config.write_text(
            "\n".join([*ZOOKEEPER, f"dataDir={data}", f"clientPortAddress={self.address}", *ensemble, ""])
        )
        return zookeeper_command(self.folder, config)

    def question(self) -> tuple[list[str], str]:
        """A server without a leader answers that it serves nobody."""
        ask = f"exec 3<>/dev/tcp/{self.address}/{self.port}; echo srvr >&3; timeout 1 cat <&3"
        return ["bash", "-c", ask], "Mode: "


class ConsulServer(StoreServer):
    """One of a Consul; elections take a second instead of five."""

    kind, port = "consul", 8500

    def command(self) -> list[str]:
        """Its configuration is a file."""
        config = {
            "server": True,
            "bootstrap_expect": len(self.members),
            "node_name": self.name,
            "data_dir": str(self.folder / self.name),
            "bind_addr": self.address,
            "client_addr": self.address,
            "ports": {"serf_wan": -1, "dns": -1, "grpc": -1},
            "retry_join": [address for address in self.members.values() if address != self.address],
            "retry_interval": "1s",
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
        }
        file = self.folder / f"{self.name}.json"
        file.write_text(json.dumps(config))
        return [str(consul.obtain()), "agent", "-config-file", str(file)]

    def question(self) -> tuple[list[str], str]:
        """The address of the leader, which is empty while there is none."""
        url = f"http://{self.address}:{self.port}/v1/status/leader"
        return ["curl", "--noproxy", "*", "-s", "-m", "1", url], ":8300"


SERVERS: dict[str, type[StoreServer]] = {made.kind: made for made in (EtcdServer, ZooKeeperServer, ConsulServer)}


class Underlay:
    """A switch and three servers of a store, etcd or what PYNET_CLUSTER_STORE names; use it with ``with``."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.switch = Switch()
        self._stack.callback(self.switch.close)
        made = SERVERS[os.environ.get("PYNET_CLUSTER_STORE", "etcd")]
        members = {f"{made.kind}{number}": f"{PREFIX4}{number}" for number in (101, 102, 103)}
        self.servers: list[StoreServer] = []
        for number in (101, 102, 103):
            server = made(folder, self.switch, number, members)
            self._stack.callback(server.close)
            self.servers.append(server)
        self.store = f"{made.kind}://" + ",".join(f"{address}:{made.port}" for address in members.values()) + "/pynet"

    def start(self) -> None:
        """Start the servers that do not run, and wait until all are one cluster."""
        for server in self.servers:
            server.start()
        self.wait()

    def wait(self) -> None:
        """Wait until all servers answer."""
        wait_until(lambda: all(server.answers() for server in self.servers), "the store to have a leader", 60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()


def hold_namespace() -> subprocess.Popen[bytes]:
    """Return a process that lives in a network namespace of its own until its input ends, or we do."""
    holder = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo up; exec cat >/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


def release_namespace(holder: subprocess.Popen[bytes]) -> None:
    """End such a process."""
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.close()
    holder.wait(10)
    holder.stdout.close()
