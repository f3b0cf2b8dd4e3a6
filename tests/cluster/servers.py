"""Real servers of the cluster stores, on loopback, with data in a folder of the test; they end with the test run."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.cluster import consul
from tests.engine.lab.process import wait_until

CLASSES = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"  # the first names all others
LOOPBACK = "127.0.0.1"
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


def ask(request: str | urllib.request.Request) -> Any:
    """Return the JSON answer of a server on loopback, without a proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return json.load(answer)


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

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process
        return self._process.pid

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
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # all its threads

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
    def leader(self) -> Server:
        """The server that leads the others."""
        for server in self.servers:
            request = urllib.request.Request(f"http://127.0.0.1:{server.port}/v3/maintenance/status", b"{}")
            status = ask(request)
            if status["header"]["member_id"] == status["leader"]:
                return server
        raise AssertionError("no server says that it leads")

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return "etcd://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)


def zookeeper_command(folder: Path, config: Path) -> list[str]:
    """Return the command that starts a ZooKeeper server."""
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return ["java", "-Xmx128m", f"-Dzookeeper.log.dir={folder}", "-cp", CLASSES, main, str(config)]


class ZooKeeper:
    """A ZooKeeper of one or three servers, from Debian's package without its start script."""

    def __init__(self, folder: Path, size: int = 1) -> None:
        clients, peers, votes = (free_ports(size) for _ in range(3))
        numbered = enumerate(zip(peers, votes, strict=True), 1)
        ensemble = "".join(f"server.{number}=127.0.0.1:{peer}:{vote}\n" for number, (peer, vote) in numbered)
        self.servers = []
        for number, port in enumerate(clients, 1):
            data = folder / str(number)
            data.mkdir()
            (data / "myid").write_text(str(number))
            config = folder / f"{number}.cfg"
            config.write_text(
                f"tickTime=500\nmaxSessionTimeout=60000\ndataDir={data}\nclientPort={port}\nforceSync=no\n"
                "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\ninitLimit=20\nsyncLimit=8\n"
                f"4lw.commands.whitelist=*\n{ensemble if size > 1 else ''}"
            )
            self.servers.append(Server(zookeeper_command(folder, config), port, folder / f"{number}.log"))

    def start(self) -> None:
        """Start the servers and wait until they serve: they accept connections before."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            wait_until(lambda port=server.port: _mode(port) != "", f"ZooKeeper on port {server.port}", 60)  # type: ignore[misc]

    def kill(self) -> None:
        """End all servers."""
        for server in self.servers:
            server.kill()

    @property
    def leader(self) -> Server:
        """The server that leads the others."""
        (leader,) = [server for server in self.servers if _mode(server.port) == "leader"]
        return leader

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return "zookeeper://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)


def _mode(port: int) -> str:
    """Return the mode of a ZooKeeper server (leader, follower, standalone), "" while it does not serve."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(b"srvr")
        answer = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
        return answer.partition("Mode: ")[2].partition("\n")[0]
    return ""


class Consul:
    """A Consul of one or three servers; with ``token`` every request needs that token."""

    def __init__(self, folder: Path, size: int = 1, token: str = "") -> None:
        gossip = free_ports(size)
        self._token = token
        self.servers = []
        for number, lan in enumerate(gossip):
            http, rpc = free_ports(2)
            config = {
                "server": True,
                "bootstrap_expect": size,
                "node_name": f"n{number}",
                "data_dir": str(folder / f"n{number}"),
                "bind_addr": LOOPBACK,
                "client_addr": LOOPBACK,
                "ports": {"http": http, "server": rpc, "serf_lan": lan, "serf_wan": -1, "dns": -1, "grpc": -1},
                "retry_join": [f"{LOOPBACK}:{port}" for port in gossip if port != lan],
                "retry_interval": "1s",
                "performance": {"raft_multiplier": 1},  # elections of a second instead of five
                "acl": {"enabled": bool(token), "default_policy": "deny", "tokens": {"master": token}},
                "limits": {"http_max_conns_per_client": 10_000},  # all hosts of a test have one address; 200 by default
                "disable_update_check": True,
            }
            file = folder / f"n{number}.json"
            file.write_text(json.dumps(config))
            command = [str(consul.obtain()), "agent", "-config-file", str(file)]
            self.servers.append(Server(command, http, folder / f"n{number}.log"))

    def start(self) -> None:
        """Start the servers and wait until they have a leader that reads."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            wait_until(lambda port=server.port: self._reads(port), f"Consul on port {server.port}", 60)  # type: ignore[misc]

    def kill(self) -> None:
        """End all servers."""
        for server in self.servers:
            server.kill()

    @property
    def leader(self) -> Server:
        """The server that leads the others."""
        for server in self.servers:
            if ask(f"http://{LOOPBACK}:{server.port}/v1/agent/self")["Stats"]["consul"]["leader"] == "true":
                return server
        raise AssertionError("no server says that it leads")

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return "consul://" + ",".join(f"{LOOPBACK}:{server.port}" for server in self.servers)

    def _reads(self, port: int) -> bool:
        url, headers = f"http://{LOOPBACK}:{port}/v1/kv/nothing?consistent=true", {"X-Consul-Token": self._token}
        try:
            ask(urllib.request.Request(url, headers=headers))
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == 404
        except OSError:
            return False
        return True


StoreServer = Etcd | ZooKeeper | Consul
KINDS: dict[str, type[Etcd] | type[ZooKeeper] | type[Consul]] = {"etcd": Etcd, "zookeeper": ZooKeeper, "consul": Consul}


def make_server(kind: str, folder: Path, size: int = 1) -> StoreServer:
    """Return a server that is not started yet, or ``size`` of them.

    Raises:
        Unavailable: Consul is not to be had on this machine.
    """
    return KINDS[kind](folder, size)
