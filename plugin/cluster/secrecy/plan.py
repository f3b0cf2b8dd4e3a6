"""Decides by which keys this host and the others talk. No I/O.

Keys change without a lost packet: every host makes a second link with its next key and gives it all peers, so that it
receives by both links. It sends to a host by the old one until a handshake has proved the new one in both directions,
and removes the old link when every host has said that it sends by the new ones. A host that is away holds that up; it
is never cut off.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv6Address

from netlink.values import dataclass
from netlink.wireguard import WireGuardPeer, WireGuardState
from plugin.cluster.secrecy.key_file import OwnKey
from plugin.cluster.secrecy.records import HostKeys, PublicKey, tunnel_address

RENEW = "stop pynet, delete the file wireguard-keys in PYNET_STATE_DIR, and start it"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The keys of the ``others`` by host, and why the records of some are left out, by host."""

    others: Mapping[str, HostKeys]
    refused: Mapping[str, str]


def usable(records: Iterable[HostKeys], me: str, family: int, own: Collection[str]) -> Hosts:
    """Return the records that can be peers of host ``me``, which has the public keys ``own``.

    Of two with one key or one address inside, neither is a peer.
    """
    others = [record for record in records if record.host != me]
    owners = Counter(key.public for record in others for key in record.keys)
    places = Counter(tunnel_address(host) for host in (me, *(record.host for record in others)))
    refused = {}
    for record in others:
        publics = {key.public for key in record.keys}
        if record.address.version != family:
            refused[record.host] = f"it is reached at {record.address}, which is of another family than this host's"
        elif not publics.isdisjoint(own):
            refused[record.host] = f"it has the key of this host: a state folder was copied; on one of both: {RENEW}"
        elif any(owners[public] > 1 for public in publics):
            refused[record.host] = f"it has the key of a third host: a state folder was copied; on one of both: {RENEW}"
        elif places[tunnel_address(record.host)] > 1:
            refused[record.host] = "its id leads to the same address inside the tunnels as another host's"
    return Hosts({record.host: record for record in others if record.host not in refused}, refused)


def peers(generation: int, others: Iterable[HostKeys]) -> dict[str, WireGuardPeer]:
    """Return the peers of this host's link of a generation, by public key."""
    known = [(other, other.of(generation)) for other in others]
    return {key.public: _peer(other, key) for other, key in known if key}


def ways(own: Collection[int], others: Mapping[str, HostKeys], proven: Collection[str]) -> dict[str, int]:
    """Return by host the generation of the keys by which to send to it; ``proven`` are public keys of handshakes.

    A host that has no generation in common is left out: it makes its next key at this moment.
    """
    found = {}
    for host, keys in others.items():
        common = sorted(set(own) & {key.generation for key in keys.keys})
        if common:
            fresh = [one for one in common if (key := keys.of(one)) and key.public in proven]
            found[host] = max(fresh, default=common[0])
    return found


def led(generation: int, by: Mapping[str, int]) -> set[IPv6Address]:
    """Return the addresses inside the tunnels of the hosts to which this host sends by a generation."""
    return {tunnel_address(host) for host, way in by.items() if way == generation}


def renewed(others: Mapping[str, HostKeys], lives: Mapping[str, str], alive: Collection[str]) -> set[str]:
    """Return the public keys of hosts that began another life than in ``lives``, and have to become new peers.

    Of a host that is not in ``lives`` nobody knows: it becomes one unless it has a session, with keys in ``alive``.
    """
    found = set[str]()
    for host, keys in others.items():
        publics = {key.public for key in keys.keys}
        if lives.get(host, "" if publics.isdisjoint(alive) else keys.life) != keys.life:
            found |= publics
    return found


def sends(own: Collection[int], others: Collection[str], by: Mapping[str, int]) -> int:
    """Return the generation by which this host sends to all others, 0 while they differ."""
    newest = max(own)
    return newest if all(by.get(host) == newest for host in others) else 0


def wants_next(own: Sequence[OwnKey], others: Iterable[HostKeys]) -> int:
    """Return the generation of the key to make next, 0 if none is to be made; not before the last change is over."""
    wanted = max((other.newest for other in others), default=0)
    return wanted if len(own) == 1 and own[0].generation < wanted else 0


def is_over(own: Sequence[OwnKey], sent: int, others: Collection[HostKeys]) -> bool:
    """Return whether nobody needs the older of two keys any more."""
    newest = max(key.generation for key in own)
    return len(own) > 1 and sent == newest and all(other.sends >= newest for other in others)


def waits_for(own: Collection[int], by: Mapping[str, int], others: Mapping[str, HostKeys]) -> Sequence[str]:
    """Return the hosts for which a change of keys waits."""
    newest = max(own, default=0)
    if len(own) < 2:
        return ()
    return sorted(host for host, keys in others.items() if by.get(host) != newest or keys.sends < newest)


def is_silent(keys: HostKeys, states: Mapping[int, WireGuardState]) -> bool:
    """Return whether a host is a peer on links in these ``states``, and none of its keys has had a handshake."""
    own = [(state, key.public) for one, state in states.items() if (key := keys.of(one))]
    return bool(own) and not any(state.handshakes.get(public) for state, public in own)


def _peer(other: HostKeys, key: PublicKey) -> WireGuardPeer:
    return WireGuardPeer(key.public, other.address, key.port, tunnel_address(other.host))
