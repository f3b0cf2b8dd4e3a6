"""A cluster store for one host: a file, which outlives a killed pynet as a server does, with another host in it."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address, ip_network
from pathlib import Path

from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.secrecy.ports import PORT as CARRIER_PORT
from plugin.cluster.secrecy.records import KEY_LENGTH, HostKeys, PublicKey, tunnel_address
from plugin.model.names import WIREGUARD
from plugin.model.records import NetworkSubnet
from plugin.options.tunnel import VXLAN
from plugin.store.base import Put, R, Record, Remove
from plugin.store.sqlite.store import SqliteStore

FILE = "cluster.db"
LATER = "e8" * 32  # the id of the other host's container that takes an address over
HOST, OTHER = "torture-host", "other-host"  # ids of this host and of the other one
ADDRESS, THERE = "192.0.2.1", "192.0.2.2"
NAME, VNI, PORT, MTU, SECRET_MTU = "blue", 70, 4789, 1450, 1370
UNDERLAY = (
    "ip link add ul0 address 02:00:00:00:00:01 type veth peer name ul1 address 02:00:00:00:00:02; "
    f"ip addr add {ADDRESS}/24 dev ul0; ip link set ul0 up"
)


class FileCluster(SqliteStore):
    """Implements ``plugin.store.base.ClusterStore`` without ever letting a host's record vanish."""

    def announce(self, record: Record, seconds: int) -> bool:
        """Write ``record``, for good."""
        del seconds
        there = self.get(type(record), record.key)
        self.transact(Put(record))
        return there is not None and there.record == record

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Nothing: it is this host's own file."""
        del kind, prefix
        return {}

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Nothing is known of them."""
        del kind
        return {}


def add_other_host(folder: Path, tunnel: str, takeover: int = 0, *, encrypted: bool = False) -> None:
    """Write the records of another host that has the network ``NAME`` with one container, and its ``tunnel``.

    With a time of ``takeover`` it is dead.
    """
    network, at = ClusterNetwork(NAME, VNI, PORT, MTU, takeover=takeover), ip_address(THERE)
    if tunnel != VXLAN:
        network = replace(network, port=0, tunnel=tunnel, routed_port=PORT)
    if encrypted:
        network, at = replace(network, mtu=SECRET_MTU, encrypt=WIREGUARD), tunnel_address(OTHER)
        change_keys(folder, generation=1)
    subnets = (NetworkSubnet(ip_network("10.9.0.0/24"), IPv4Interface("10.9.0.1/24")),)
    there, place = ip_address(THERE), IPv4Interface("10.9.0.99/24")
    host = KnownHost(OTHER, OTHER, there) if takeover else ClusterHost(OTHER, OTHER, there, 0)
    store = FileCluster(folder / FILE)
    store.transact(
        Put(host),
        Put(replace(network, subnets=subnets)),
        Put(VniClaim(VNI, NAME)),
        Put(Member(NAME, OTHER, "d4" * 32, at, takeover)),
        Put(Peer(NAME, "e9" * 32, OTHER, "02:42:0a:09:00:63", place)),
        *map(Put, dying_with(OTHER) if takeover else ()),
    )
    store.close()


def dying_with(host: str) -> Sequence[Record]:
    """Return records of a host that go with it, one of each kind that live hosts do not need here."""
    place = ip_address("10.9.0.99")
    return (
        AddressClaim(NAME, place, "e9" * 32, host),
        ClusterName(NAME, "e9" * 32, host, ("there",), (place,)),
        ClusterLease(f"{NAME}/10.9.0.0/24", place, host, "t"),
    )


def revive(folder: Path, tunnel: str, takeover: int) -> None:
    """Bring the other host back, as it was."""
    store = FileCluster(folder / FILE)
    store.transact(*(Remove(HostTakeover, item.record.key) for item in store.list(HostTakeover)))
    store.transact(Put(ClusterHost(OTHER, OTHER, ip_address(THERE), 0)))
    store.close()
    add_other_host(folder, tunnel, takeover)


def change_keys(folder: Path, generation: int) -> None:
    """Let the other host have a key of each generation up to this one; nobody is there to use them."""
    keys = [(one, b64encode(bytes([one] * KEY_LENGTH)).decode()) for one in range(1, generation + 1)]
    publics = tuple(PublicKey(one, public, CARRIER_PORT + one - 1) for one, public in keys)
    store = FileCluster(folder / FILE)
    store.transact(Put(HostKeys(OTHER, ip_address(THERE), publics, sends=1, life="a boot@1.000")))
    store.close()


def give_back(folder: Path) -> None:
    """Remove the records of ``take_over`` and of a change of keys."""
    store = FileCluster(folder / FILE)
    if store.get(HostKeys, OTHER):
        change_keys(folder, generation=1)
    peers = [item.record for item in store.list(Peer) if item.record.endpoint == LATER]
    claims = [AddressClaim(NAME, address, LATER, OTHER) for peer in peers for address in peer.addresses]
    store.transact(*(Remove(Peer, peer.key) for peer in peers), *(Remove(AddressClaim, claim.key) for claim in claims))
    store.close()


def take_over(folder: Path) -> None:
    """Give the other host, by records, all addresses of this one; this one does not run."""
    store = FileCluster(folder / FILE)
    for peer in [item.record for item in store.list(Peer) if item.record.host == HOST]:
        there = replace(peer, endpoint=LATER, host=OTHER)
        claims = [AddressClaim(NAME, address, there.endpoint, OTHER) for address in there.addresses]
        store.transact(Remove(Peer, peer.key), Put(there), *map(Put, claims))
    store.close()
