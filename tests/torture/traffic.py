"""Requests for ``tests.torture.storm``: whole lives of endpoints, and random ones."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.contract.test_agreement import METHODS, ODD_VALUES, places, samples

NETWORKS = 10
NET, IPAM = "NetworkDriver.", "IpamDriver."
BROKEN = [b"", b" \n", b"NetworkID=1", b'{"NetworkID": "a', b"null", b"[]", b"[" * 5000, b'{"NetworkID": "\xff\xfe"}']


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``broken`` ones may be refused by the HTTP server itself."""

    method: str
    body: bytes = b""
    must_succeed: bool = False
    broken: bool = False


def call(method: str, *, must_succeed: bool = True, **body: Any) -> Request:
    """Return a request with this body."""
    return Request(method, json.dumps(body).encode() + b"\n", must_succeed)


def network(number: int, *, must_succeed: bool = True) -> Request:
    """CreateNetwork of 10.50.NUMBER.0/24."""
    pool = {"AddressSpace": "x", "Pool": f"10.50.{number}.0/24", "Gateway": f"10.50.{number}.1/24"}
    options = {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {}}
    return call(
        NET + "CreateNetwork",
        must_succeed=must_succeed,
        NetworkID=network_id(number),
        Options=options,
        IPv4Data=[pool],
        IPv6Data=[],
    )


def lives(number: int) -> tuple[list[Request], list[list[Request]], list[list[Request]]]:
    """Return the requests for ten networks, and for ``number`` endpoints how each begins and how each ends.

    Every fifth begins twice, every seventh leaves twice, every third publishes a port; the last network is deleted with
    all its endpoints by each of them, as DeleteNetwork may overtake DeleteEndpoint (28.1 and later).
    """
    born, buried = [], []
    for index in range(number):
        ids, address = _ids(index % NETWORKS, index), f"10.50.{index % NETWORKS}.{2 + index // NETWORKS}/24"
        interface = {"Address": address, "AddressIPv6": "", "MacAddress": ""}
        create = call(NET + "CreateEndpoint", **ids, Interface=interface, Options={})
        join = call(NET + "Join", **ids, SandboxKey=f"/var/run/docker/netns/{index:012x}", Options={})
        program = call(NET + "ProgramExternalConnectivity", **ids, Options=_ports(index))
        born.append([create] * (2 if index % 5 == 0 else 1) + [join] + [program] * (index % 3 == 0))
        leave, delete = call(NET + "Leave", **ids), call(NET + "DeleteEndpoint", **ids)
        overtaking = [call(NET + "DeleteNetwork", NetworkID=ids["NetworkID"])] * (index % NETWORKS == NETWORKS - 1)
        buried.append([leave] * (2 if index % 7 == 0 else 1) + overtaking + [delete])
    return [network(index) for index in range(NETWORKS)], born, buried


def removals(networks: Sequence[str], pools: Sequence[str]) -> Iterator[Request]:
    """Yield the calls that remove them."""
    yield from (call(NET + "DeleteNetwork", NetworkID=identity) for identity in networks)
    yield from (call(IPAM + "ReleasePool", PoolID=identity) for identity in pools)


def garbage(dice: random.Random, number: int) -> Iterator[Request]:
    """Yield requests: half of them make sense, a third nearly does, the rest does not."""
    for _ in range(number):
        kind = dice.random()
        if kind < 0.5:
            yield _sensible(dice)
        elif kind < 0.85:
            yield _nearly(dice)
        else:
            yield Request(dice.choice(METHODS), dice.choice([*BROKEN, dice.randbytes(dice.randrange(200))]))


def _sensible(dice: random.Random) -> Request:
    """Draw a call about few things, so that calls meet: repeats, disorder, conflicts."""
    number, index = dice.randrange(NETWORKS), dice.randrange(40)
    ids = _ids(number, index)
    address = {"Address": f"10.50.{number}.{2 + index}/24", "AddressIPv6": "", "MacAddress": ""}
    pool = f"pynet-local/10.60.{number}.0/24"
    wishes: list[tuple[str, dict[str, Any]]] = [
        ("DeleteNetwork", {"NetworkID": ids["NetworkID"]}),
        *[("CreateEndpoint", {**ids, "Interface": address, "Options": {}})] * 4,
        *[("Join", {**ids, "SandboxKey": "/x", "Options": {}})] * 3,
        *[("ProgramExternalConnectivity", {**ids, "Options": _ports(dice.randrange(60))})] * 3,
        *[(verb, ids) for verb in ("RevokeExternalConnectivity", "Leave", "EndpointOperInfo")],
        *[("DeleteEndpoint", ids)] * 3,
    ]
    others: list[tuple[str, dict[str, Any]]] = [
        ("RequestPool", {"AddressSpace": "pynet-local", "Pool": dice.choice(["", f"10.60.{number}.0/24"])}),
        *[("RequestAddress", {"PoolID": pool, "Address": dice.choice(["", f"10.60.{number}.{index + 1}"])})] * 3,
        *[("ReleaseAddress", {"PoolID": pool, "Address": f"10.60.{number}.{index + 1}"})] * 2,
        ("ReleasePool", {"PoolID": pool}),
    ]
    choice = dice.random()
    if choice < 0.2:
        return network(number, must_succeed=False)
    verb, body = dice.choice(wishes if choice < 0.75 else others)
    return call((NET if choice < 0.75 else IPAM) + verb, must_succeed=False, **body)


def _nearly(dice: random.Random) -> Request:
    """Draw a recorded body with up to three values replaced or removed."""
    method = dice.choice(METHODS)
    body = copy.deepcopy(dice.choice(samples(method)))
    for _ in range(dice.randrange(4)):
        *parents, last = dice.choice([place for place in places(body) if place] or [("x",)])
        target: Any = body
        for key in parents:
            target = target[key]
        if dice.random() < 0.5 and isinstance(target, dict):
            target.pop(last, None)
        else:
            target[last] = copy.deepcopy(dice.choice(ODD_VALUES))
    return Request(method, json.dumps(body).encode())


def network_id(number: int) -> str:
    """Return an id of 64 characters, or every third of 25 as swarm makes them."""
    return f"x{number:02d}k2mz9q1w7e5r3t8y6u0ip2a"[:25] if number % 3 == 0 else f"{number:02x}" * 32


def _ids(number: int, index: int) -> dict[str, Any]:
    return {"NetworkID": network_id(number), "EndpointID": f"{number:02x}{index:04x}" + "e0" * 29}


def _ports(index: int) -> dict[str, Any]:
    binding = {"Proto": 6, "Port": 80, "HostIP": "", "HostPort": 20000 + index, "HostPortEnd": 20000 + index}
    return {"com.docker.network.portmap": [{"IP": "", **binding}]}
