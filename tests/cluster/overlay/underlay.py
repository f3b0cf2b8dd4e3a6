"""The network between hosts: a switch in a namespace of its own with a cable for each, and an etcd of three servers."""

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

from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import CommandFailed, run

LINK = "ul0"  # a host's end of its cable
PREFIX4, PREFIX6 = "192.0.2.", "2001:db8::"


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


class EtcdServer:
    """One server of an etcd, in a namespace of its own on the underlay."""

    def __init__(self, folder: Path, switch: Switch, number: int, members: dict[str, str]) -> None:
        self._name = f"etcd{number}"
        self._folder, self._members = folder, members
        self._holder = hold_namespace()
        self._address = switch.plug(self._name, self._holder.pid, number)
        run("nsenter", "-t", str(self._holder.pid), "-n", "--", "ip", "link", "set", "lo", "up")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server with what it knew."""
        cluster = ",".join(f"{name}=http://{address}:2380" for name, address in self._members.items())
        client, peer = f"http://{self._address}:2379", f"http://{self._address}:2380"
        argv = ["etcd", "--name", self._name, "--data-dir", str(self._folder / self._name)]
        argv += ["--listen-client-urls", client, "--advertise-client-urls", client]
        argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster]
        with (self._folder / f"{self._name}.log").open("ab") as log:
            enter = ["nsenter", "-t", str(self._holder.pid), "-n", "--"]
            self._process = subprocess.Popen([*enter, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers(self) -> bool:
        """Whether the cluster has a leader that this server knows."""
        url = f"http://{self._address}:2379/health"
        try:
            return '"true"' in run("nsenter", "-t", str(self._holder.pid), "-n", "--", "curl", "-s", "-m", "1", url)
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


class Underlay:
    """A switch and three etcd servers; use it with ``with``."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.switch = Switch()
        self._stack.callback(self.switch.close)
        members = {f"etcd{number}": f"{PREFIX4}{number}" for number in (101, 102, 103)}
        self.servers = []
        for number in (101, 102, 103):
            server = EtcdServer(folder, self.switch, number, members)
            self._stack.callback(server.close)
            self.servers.append(server)
        self.store = "etcd://" + ",".join(f"{address}:2379" for address in members.values()) + "/pynet"

    def start(self) -> None:
        """Start the servers that do not run, and wait until all are one cluster."""
        for server in self.servers:
            server.start()
        self.wait()

    def wait(self) -> None:
        """Wait until all servers answer."""
        wait_until(lambda: all(server.answers() for server in self.servers), "etcd to have a leader", 60)

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
