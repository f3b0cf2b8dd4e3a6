"""A stand-in for Docker Engine: its calls, its containers, and the objects that it believes to exist."""

import ctypes
import http.client
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.settings import admin_place
from handlers.routes import ROUTES
from plugin.background.parent import die_with_parent
from tests.engine.lab.api import UnixConnection
from tests.settling import SLOWNESS
from tests.torture.snapshot import command

CLONE_NEWNET = 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)
DRIVER, IPAM = "NetworkDriver.", "IpamDriver."
COMMAND = "Pynet."  # verbs of pynet's own command, on its own socket (handlers.routes)
THE_POOL = "*"  # a pool id that is that of the pool which the engine was given
PATIENCE = 20.0 * SLOWNESS  # seconds for pynet to serve, to answer, to end


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the engine."""

    method: str
    body: Mapping[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """pynet answered with an error; the text is its sentence."""


class Broken(Exception):
    """The connection broke before an answer came: pynet died."""


def new_namespace() -> None:
    """Give this process a network namespace of its own, with lo up."""
    if LIBC.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    command("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # a new namespace inherits what the machine has


class Box:
    """A process with a network namespace of its own, in the place of a container."""

    def __init__(self, link: str, address: str, gateway: str) -> None:
        self._link = link
        self.address = address.partition("/")[0]
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            LIBC.unshare(CLONE_NEWNET)
            os.write(writer, b"!")
            signal.pause()
            os._exit(0)
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        command("ip", "link", "set", link, "netns", str(self.pid))
        route = [f"route add default via {gateway}"] if gateway else []
        self._ip(f"link set {link} name eth0", f"addr add {address} dev eth0", "link set eth0 up", *route)

    def move(self, address: str) -> None:
        """Have another address, as ``pynet endpoint renew`` gives it to a container."""
        self.address = address.partition("/")[0]
        self._ip("addr flush dev eth0", f"addr add {address} dev eth0")

    def reaches(self, address: str) -> bool:
        """Say whether one of four pings is answered: a leftover may hold the address until it is deleted."""
        ping = ("ping", "-c", "1", "-W", "1", address)
        tries = (command("nsenter", "-n", "-t", str(self.pid), "--", *ping) for _ in range(4))
        return any("1 received" in answer for answer in tries)

    def hand_back(self) -> None:
        """Put the link back on the host as the engine does after Leave."""
        self._ip("link set eth0 down", f"link set eth0 name {self._link}", f"link set {self._link} netns {os.getpid()}")

    def end(self) -> None:
        """End the process, and with it the namespace."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _ip(self, *lines: str) -> None:
        for line in lines:
            command("nsenter", "-n", "-t", str(self.pid), "--", "ip", *line.split())


class Engine:
    """Makes calls, and remembers the objects that it believes to exist."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.networks: dict[str, Call] = {}
        self.endpoints: dict[str, Call] = {}
        self.boxes: dict[str, Box] = {}
        self.pools: dict[str, str] = {}  # id to the subnet
        self.leases: list[tuple[str, str]] = []

    def send(self, method: str, body: Mapping[str, Any] | None) -> Any:
        """Make one request; None is the engine's retry that has lost its body.

        Raises:
            Broken: no answer came.
            Refused: the answer is an error.
        """
        socket, path = self._socket, f"/{method}"
        if method.startswith(COMMAND):
            socket, path = admin_place(socket), ROUTES[method.removeprefix(COMMAND)][1]
        connection = UnixConnection(socket, PATIENCE)
        try:
            connection.request("POST", path, b"" if body is None else json.dumps(body).encode())
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"{method}: {type(error).__name__} {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise Refused(f"{method}: {answer.get('Err')}")
        return answer

    def wait(self) -> None:
        """Wait until pynet serves, as the engine's own retries do."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.send("Plugin.Activate", {})
            except (Broken, Refused):  # it is not there, or still starting
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def make(self, call: Call) -> Any:
        """Make a call that must succeed, and use the answer as the engine does."""
        call = self._named(call)
        reply = self.send(call.method, call.body)
        self._take_in(call, reply)
        return reply

    def forget(self, call: Call) -> None:
        """Give ``call`` up as the engine does: it takes a removal for done."""
        if not call.method.startswith((f"{DRIVER}Create", f"{IPAM}Request")):
            self._take_in(self._named(call), {})

    def _named(self, call: Call) -> Call:
        """Return the call with the id of the pool that the engine was given."""
        if call.body.get("PoolID") != THE_POOL:
            return call
        return replace(call, body={**call.body, "PoolID": next(iter(self.pools), THE_POOL)})

    def _take_in(self, call: Call, reply: Any) -> None:
        subsystem, _, verb = call.method.partition(".")
        if f"{subsystem}." == IPAM:
            self._take_in_ipam(verb, call.body, reply)
        elif verb == "CreateNetwork":
            self.networks[call.body["NetworkID"]] = call
        elif verb == "DeleteNetwork":
            self.networks.pop(call.body["NetworkID"], None)
            for key in [k for k, c in self.endpoints.items() if c.body["NetworkID"] == call.body["NetworkID"]]:
                self._drop(key)
        elif verb == "CreateEndpoint":
            asked, given = call.body["Interface"], reply.get("Interface", {}).get("Address", "")
            interface = {**asked, "Address": asked["Address"] or given}
            self.endpoints[call.body["EndpointID"]] = replace(call, body={**call.body, "Interface": interface})
        elif verb == "DeleteEndpoint":
            self._drop(call.body["EndpointID"])
        elif verb == "Join":
            self._join(call.body["EndpointID"], reply)
        elif verb == "Leave":
            self._hand_back(call.body["EndpointID"])
        elif verb == "TakeLease" and "Address" in reply:
            self.boxes[call.body["EndpointID"]].move(reply["Address"])

    def _take_in_ipam(self, verb: str, body: Mapping[str, Any], reply: Any) -> None:
        if verb == "RequestPool":
            self.pools[reply["PoolID"]] = reply["Pool"]
        elif verb == "ReleasePool":
            self.pools.pop(body["PoolID"], None)
            self.leases = [lease for lease in self.leases if lease[0] != body["PoolID"]]
        elif verb == "RequestAddress":
            self.leases.append((body["PoolID"], reply["Address"].partition("/")[0]))
        elif verb == "ReleaseAddress":
            self.leases = [lease for lease in self.leases if lease != (body["PoolID"], body["Address"])]

    def _join(self, endpoint: str, reply: Any) -> None:
        if endpoint in self.boxes or endpoint not in self.endpoints:
            return  # a repeat: the link has moved already
        address = self.endpoints[endpoint].body["Interface"]["Address"]
        self.boxes[endpoint] = Box(reply["InterfaceName"]["SrcName"], address, reply.get("Gateway", ""))

    def _hand_back(self, endpoint: str) -> None:
        box = self.boxes.pop(endpoint, None)
        if box is not None:
            box.hand_back()
            box.end()

    def _drop(self, endpoint: str) -> None:
        self.endpoints.pop(endpoint, None)
        self._hand_back(endpoint)

    def remove_everything(self) -> None:
        """Take all away that exists, as a user would: containers, then networks, then pools."""
        for key, call in list(self.endpoints.items()):
            reference = {"NetworkID": call.body["NetworkID"], "EndpointID": key}
            for verb in ("RevokeExternalConnectivity", "Leave", "DeleteEndpoint"):
                self.make(Call(DRIVER + verb, reference))
        for pool, address in list(self.leases):
            self.make(Call(f"{IPAM}ReleaseAddress", {"PoolID": pool, "Address": address}))
        for pool in list(self.pools):
            self.make(Call(f"{IPAM}ReleasePool", {"PoolID": pool}))
        for network in list(self.networks):
            self.make(Call(f"{DRIVER}DeleteNetwork", {"NetworkID": network}))

    def end(self) -> None:
        """End the containers."""
        for box in self.boxes.values():
            box.end()
