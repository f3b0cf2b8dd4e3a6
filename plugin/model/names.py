"""Names that pynet gives in the kernel: of links, their aliases and their MACs. They are built and read only here.

Names and MACs are pure functions of Docker's ids, so that teardown works without a record. The alias of a
bridge is ``PYNET/network/ID``, of a tunnel ``PYNET/network/ID/NAME/VNI/PORT``, with ``/direct`` or ``/auto`` if that
is how packets go to other hosts, or ``/wireguard`` if it is encrypted, and of a port ``PYNET/endpoint/ID`` or,
on a bridge that pynet did not make and that therefore has no alias, ``PYNET/endpoint/ID/NETWORK``; so have a limiter
and a link that goes into a container itself. That of a parent that pynet made is ``PYNET/parent/NAME``, that of a
shim ``PYNET/parent/NAME/shim``, and that of a WireGuard link ``PYNET/wireguard/NUMBER``. That of a port on a user's LAN
goes on with ``/lan`` and words about its network.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from netlink.values import dataclass
from plugin.model.records import Endpoint, Network, Overlay
from plugin.options.tunnel import TUNNELS, VXLAN

# Beginnings of link names.
BRIDGE, HOST_END, CONTAINER_END, TUNNEL, LIMITER, SHIM, STUB = "pn-", "pnh", "pnc", "pnv", "pni", "pns", "pnd"
CARRIER = "pnw"
BRIDGES = f"{BRIDGE}*"  # every bridge that pynet names, as nft matches it
ID_LENGTH = 12  # of a link name's 15 characters (IFNAMSIZ - 1); 48 bits of a random id
LONGEST_ALIAS = 255  # bytes, IFALIASZ - 1 (linux/if.h)
_LABEL = "(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
# Of an alias that anybody may have changed: length of the subnet, client id, host name.
_LEASE = re.compile(rf"d([12]?[0-9]|3[0-2])(?:c((?:[0-9a-f][0-9a-f])+))?(?:n({_LABEL}(?:\.{_LABEL})*))?")
NETWORK, ENDPOINT, PARENT, LAN, WIREGUARD = "network", "endpoint", "parent", "lan", "wireguard"


def bridge_name(network_id: str) -> str:
    """Name of the bridge of a network, unless the user chose one."""
    return BRIDGE + network_id[:ID_LENGTH]


def host_link_name(endpoint_id: str) -> str:
    """Name of the end of an endpoint's veth pair that stays on the host."""
    return HOST_END + endpoint_id[:ID_LENGTH]


def container_link_name(endpoint_id: str) -> str:
    """Name of the end of an endpoint's veth pair that the engine moves into the container."""
    return CONTAINER_END + endpoint_id[:ID_LENGTH]


def vxlan_name(network_id: str) -> str:
    """Name of the link that leads a network's frames to other hosts."""
    return TUNNEL + network_id[:ID_LENGTH]


def limiter_name(endpoint_id: str) -> str:
    """Name of the link where frames that an endpoint's container sends wait for their turn."""
    return LIMITER + endpoint_id[:ID_LENGTH]


def shim_name(pynet: str, parent: str) -> str:
    """Name of the link by which the host reaches containers on its link ``parent``."""
    return SHIM + hashlib.sha256(f"{pynet}/{parent}".encode()).hexdigest()[:ID_LENGTH]


def carrier_name(pynet: str, slot: int) -> str:
    """Name of a WireGuard link, 0 or 1, that carries the encrypted networks of a pynet."""
    return CARRIER + hashlib.sha256(f"{pynet}/{slot}".encode()).hexdigest()[:ID_LENGTH]


def stub_name(network_id: str) -> str:
    """Name of the link that stands in for the parent of a network that has none."""
    return STUB + network_id[:ID_LENGTH]


def host_end(endpoint: Endpoint) -> str:
    """Name of the end of an endpoint's link that stays on the host, "" if all of it goes into the container."""
    return "" if endpoint.parent is not None else host_link_name(endpoint.id)


def local_mac(seed: bytes) -> str:
    """Return a locally administered MAC, the same for the same ``seed``."""
    return "02:" + hashlib.sha256(seed).digest()[:5].hex(":")


def high_mac(seed: bytes) -> str:
    """Return a locally administered MAC above those of hardware and virtual machines, the same for the same ``seed``.

    A bridge to which nobody gave a MAC takes the lowest of its ports (br_stp_recalculate_bridge_id). Ports of libvirt
    have fe: and the rest of the guest's MAC.
    """
    return "fe:ff:" + hashlib.sha256(seed).digest()[:4].hex(":")


def is_own_bridge(name: str) -> bool:
    """Return whether a pynet chose the name of a bridge."""
    return name.startswith(BRIDGE)


@dataclass(frozen=True, slots=True)
class Alias:
    """The alias of a link that a pynet made: for ``what``, a network or an endpoint, and its id.

    ``more`` is what the kernel does not show of it. All parts of an alias that no pynet wrote are empty.
    """

    pynet: str = ""
    what: str = ""
    id: str = ""
    more: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join((self.pynet, self.what, self.id, *self.more))

    @classmethod
    def read(cls, text: str) -> "Alias":
        """Read the alias of any link."""
        pynet, *words = text.split("/")
        return cls(pynet, words[0], "".join(words[1:2]), tuple(words[2:])) if words else cls()

    def overlay(self, mtu: int) -> Overlay | None:
        """Return what the hosts agreed on, from the alias of a tunnel with ``mtu``; None from any other."""
        if self.what != NETWORK or len(self.more) < 3:
            return None
        name, vni, port, *words = self.more
        if not (vni.isdecimal() and port.isdecimal()):
            return None
        tunnel = next((word for word in words if word in TUNNELS), VXLAN)
        encrypt = WIREGUARD if WIREGUARD in words else ""
        return Overlay(name, int(vni), int(port), mtu, tunnel=tunnel, encrypt=encrypt)

    @property
    def lease(self) -> "LeaseWord | None":
        """The word about a lease in the alias of a port on a LAN, None without one."""
        found = next(filter(None, map(_LEASE.fullmatch, self.more[2:])), None)
        return LeaseWord(int(found[1]), bytes.fromhex(found[2] or ""), found[3] or "") if found else None

    @property
    def network_id(self) -> str:
        """The network in the alias of a port, if it names one."""
        return self.more[0] if self.what == ENDPOINT and self.more else ""


@dataclass(frozen=True, slots=True)
class LeaseWord:
    """A word of an alias: the address came by DHCP, in a subnet of that length, for a client of these names.

    A word is in an alias as a whole or not at all: by half of a name no server knows its client.
    """

    length: int
    client_id: bytes = b""
    host_name: str = ""

    def __str__(self) -> str:
        client = f"c{self.client_id.hex()}" if self.client_id else ""
        return f"d{self.length}{client}" + (f"n{self.host_name}" if self.host_name else "")


def bridge_alias(pynet: str, network: Network) -> str:
    """Return the alias of a bridge that the pynet of that name made."""
    return str(Alias(pynet, NETWORK, network.id))


def tunnel_alias(pynet: str, network: Network, overlay: Overlay) -> str:
    """Return the alias of a tunnel."""
    words = [*([] if overlay.tunnel == VXLAN else [overlay.tunnel]), *filter(None, [overlay.encrypt])]
    return str(Alias(pynet, NETWORK, network.id, (overlay.network, str(overlay.vni), str(overlay.port), *words)))


def port_alias(pynet: str, network: Network, endpoint: Endpoint) -> str:
    """Return the alias of the host's end of an endpoint's veth pair."""
    return str(Alias(pynet, ENDPOINT, endpoint.id, () if network.owns_link else (network.id,)))


def lan_alias(pynet: str, network: Network, endpoint: Endpoint, words: Iterable[str]) -> str:
    """Return the alias of the host's end of a pair in a bridge that is a user's LAN.

    The kernel shows nothing else of such a network: ``words`` are for ``plugin.rebuild``, as far as there is room.
    """
    alias = Alias(pynet, ENDPOINT, endpoint.id, (network.id, LAN))
    for word in words:
        longer = replace(alias, more=(*alias.more, word))
        alias = longer if len(str(longer).encode()) <= LONGEST_ALIAS else alias
    return str(alias)


def endpoint_alias(pynet: str, endpoint: Endpoint) -> str:
    """Return the alias of a link of an endpoint that is no port of its network's bridge: it names the network."""
    return str(Alias(pynet, ENDPOINT, endpoint.id, (endpoint.network_id,)))


def shim_alias(pynet: str, parent: str) -> str:
    """Return the alias of the link by which the host reaches containers on its link ``parent``."""
    return str(Alias(pynet, PARENT, parent, ("shim",)))


def lock_address(name: str) -> bytes:
    """Return the address of the abstract socket that the pynet called ``name`` holds (``cli.server.name``)."""
    return f"\0pynet/{name}".encode()
