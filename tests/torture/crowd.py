"""A crowd of networks beside those that are tortured: nothing of it may be lost.

``CROWD=200`` gives every part of ``python -m tests.torture`` 200 networks of ten endpoints with a port each. They are
made by the protocol alone, so the engine does not know them; their containers' ends stay on the host.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cli.client.serving import ask
from tests.engine.lab.api import Api

NETWORKS = int(os.environ.get("CROWD") or 0)
ENDPOINTS = 10  # of a network
FIRST_PORT = 30000
DRIVER = "NetworkDriver."
Send = Callable[[str, Mapping[str, Any]], Any]  # method and body -> reply; raises on an error


def gather(send: Send, networks: int = NETWORKS, endpoints: int = ENDPOINTS) -> None:
    """Make the crowd."""
    for index in range(networks):
        subnet = f"10.{100 + index // 250}.{index % 250}"
        data = {"AddressSpace": "x", "Pool": f"{subnet}.0/24", "Gateway": f"{subnet}.1/24", "AuxAddresses": {}}
        options = {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {}}
        body = {"NetworkID": network_id(index), "Options": options, "IPv4Data": [data], "IPv6Data": []}
        send(f"{DRIVER}CreateNetwork", body)
        for place in range(endpoints):
            _start(send, index, place, f"{subnet}.{place + 2}/24")


def _start(send: Send, index: int, place: int, address: str) -> None:
    ids = {"NetworkID": network_id(index), "EndpointID": f"cd{index:04x}{place:02x}" * 8}
    interface = {"Address": address, "AddressIPv6": "", "MacAddress": ""}
    send(f"{DRIVER}CreateEndpoint", {**ids, "Interface": interface, "Options": {}})
    send(f"{DRIVER}Join", {**ids, "SandboxKey": f"/var/run/docker/netns/cd{index:04x}{place:02x}", "Options": {}})
    port = FIRST_PORT + index * ENDPOINTS + place
    binding = {"Proto": 6, "IP": "", "Port": 80, "HostIP": "127.0.0.1", "HostPort": port, "HostPortEnd": port}
    send(f"{DRIVER}ProgramExternalConnectivity", {**ids, "Options": {"com.docker.network.portmap": [binding]}})


def network_id(index: int) -> str:
    """Return the id of a network of the crowd."""
    return f"c0{index:06x}" * 8


def scatter(send: Send, networks: int = NETWORKS) -> None:
    """Remove the crowd; a network takes its endpoints with it."""
    for index in range(networks):
        send(f"{DRIVER}DeleteNetwork", {"NetworkID": network_id(index)})


def beside(socket: Path) -> Send:
    """Return a function that sends a request to the socket of a served pynet."""
    api = Api(socket)
    return lambda method, body: api.call("POST", f"/{method}", body)


def is_of_it(key: str) -> bool:
    """Return whether a record of that key is of the crowd; an endpoint's key begins with the id of its network."""
    return key[:2] == "c0" and key[:64] == key[:8] * 8


def missing(admin: Path, networks: int = NETWORKS, endpoints: int = ENDPOINTS) -> list[str]:
    """Return what is gone of the crowd, and the repairs that are due; pynet is asked on its socket ``admin``."""
    there = {each["ID"]: each["Endpoints"] for each in ask(admin, "Networks")["Networks"]}
    found = []
    for index in range(networks):
        ends = there.get(network_id(index), [])
        if (len(ends), sum(end["Ports"] for end in ends)) != (endpoints, endpoints):
            found.append(f"network {index} of the crowd has {len(ends)} endpoints")
    return found + [str(repair["Sentence"]) for repair in ask(admin, "Look")["Repairs"]]
