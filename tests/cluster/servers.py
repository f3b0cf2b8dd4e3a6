"""Real servers of the cluster stores, on loopback, with data in a folder of the test; they end with the test run."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.engine.lab.process import wait_until

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PRCTL = ctypes.CDLL(None).prctl


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def answers(port: int) -> bool:
    """Whether somebody accepts connections on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Server:
    """A server process that can be killed, stopped for a while, and started again with its data."""

    def __init__(self, argv: Sequence[str], port: int, log: Path, env: dict[str, str] | None = None) -> None:
        self._argv, self._env, self._log = argv, env, log
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self.launch()
        wait_until(lambda: answers(self.port), f"{self._argv[0]} on port {self.port}, see {self._log}", 60)

    def launch(self) -> None:
        """Start the server without waiting for it."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(self._env or {})},
                preexec_fn=lambda: _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
            )

    def kill(self) -> None:
        """End the server as a crash would; nothing happens when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def freeze(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)


class Etcd:
    """An etcd of one or three servers."""

    def __init__(self, folder: Path, size: int = 1, options: Sequence[str] = (), scheme: str = "http") -> None:
        clients, peers = free_ports(size), free_ports(size)
        names = [f"n{number}" for number in range(size)]
        cluster = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in zip(names, peers, strict=True))
        self.servers = []
        for name, client, peer in zip(names, clients, peers, strict=True):
            argv = ["etcd", "--name", name, "--data-dir", str(folder / name), "--unsafe-no-fsync"]
            argv += ["--listen-client-urls", f"{scheme}://127.0.0.1:{client}"]
            argv += ["--advertise-client-urls", f"{scheme}://127.0.0.1:{client}"]
            argv += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
            argv += ["--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"]
            argv += ["--initial-cluster", cluster, "--initial-cluster-state", "new", *options]
            self.servers.append(Server(argv, client, folder / f"{name}.log"))

    def start(self) -> None:
        """Start all servers together: none accepts clients before there is a leader."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            wait_until(lambda server=server: answers(server.port), f"etcd on port {server.port}", 60)  # type: ignore[misc]

    def kill(self) -> None:
        """End all servers."""
        for server in self.servers:
            server.kill()

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return "etcd://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)


def zookeeper_missing() -> str:
    """Return why ZooKeeper cannot be started here, or nothing."""
    if not shutil.which("java") or not Path("/usr/share/java/zookeeper.jar").exists():
        return "the package zookeeper is not installed"
    return ""


class ZooKeeper:
    """A ZooKeeper of one server, from Debian's package without its start script."""

    CLASSES = ("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "netty-all", "log4j-1.2", "metrics-core",
               "snappy-java", "commons-cli", "jackson-core", "jackson-databind", "jackson-annotations")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        config = folder / "zoo.cfg"
        config.write_text(
            f"tickTime=500\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
            "admin.enableServer=false\nforceSync=no\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n"
        )
        classes = ":".join(f"/usr/share/java/{name}.jar" for name in self.CLASSES)
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        argv = ["java", "-Xmx128m", "-Dzookeeper.log.dir=" + str(folder), "-cp", classes, main, str(config)]
        self.server = Server(argv, port, folder / "zookeeper.log")

    def start(self) -> None:
        """Start the server."""
        self.server.start()

    def kill(self) -> None:
        """End the server."""
        self.server.kill()

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return f"zookeeper://127.0.0.1:{self.server.port}"
