"""The steps of packets of containers whose links are upon a link of the host: the LAN carries them past all rules."""

from collections.abc import Iterator

from plugin.model.records import Network
from plugin.modes.registry import among_siblings
from plugin.path.model import Journey, Spot
from plugin.protocol.path_messages import EndKind, Fate, Step

_AMONG = {
    "bridge": ("the parent passes frames of its containers on to each other", Fate.PASSES),
    "private": ("containers of this network are deaf to each other", Fate.DROPPED),
    "vepa": ("the switch of the LAN must send it back by the port that it came from", Fate.UNCLEAR),
}


def is_on_lan(spot: Spot) -> bool:
    """Return whether an end is a container whose link is upon a link of the host."""
    return spot.endpoint is not None and spot.endpoint.parent is not None


def lan_steps(way: Journey) -> Iterator[Step]:
    """Yield the steps of a packet from or to such a container, or between two of them."""
    source, target = way.source, way.target
    if is_on_lan(source) and source.network is not None:
        yield Step("rules", f"frames of {source.words} pass no rules of this host (mode {source.network.mode})")
    here, there = _parent_of(source), _parent_of(target)
    if here is not None and here == there and source.network is not None:
        text, fate = _AMONG.get(among_siblings(source.network), _AMONG["bridge"])
        yield Step("lan", text, fate)
    elif _is_of_host(source) or _is_of_host(target):
        network = source.network if is_on_lan(source) else target.network
        link = network.link if network is not None else ""
        text = f"the host and the containers upon its link '{link}' do not reach each other by that link"
        yield Step("lan", text, Fate.DROPPED)
    elif is_on_lan(source) and source.network is not None:
        yield from _onto_lan(way, source.network)
    yield Step("delivery", f"the LAN delivers it to {target.words}")


def _onto_lan(way: Journey, network: Network) -> Iterator[Step]:
    at = way.target.address
    if at is not None and any(at.version == one.pool.version and at in one.pool for one in network.subnets):
        yield Step("lan", f"it leaves by '{network.link}' for the LAN")
        return
    own = way.source.address
    subnet = next((one for one in network.subnets if own is not None and own in one.pool), None)
    if network.internal or subnet is None or subnet.gateway is None:
        why = "it is internal" if network.internal else "it has no gateway"
        yield Step("route", f"{way.source.on} leads nowhere but to its own subnets: {why}", Fate.DROPPED)
        return
    yield Step("route", f"it goes to {subnet.gateway.ip}, a router of the LAN, which pynet cannot judge", Fate.UNCLEAR)


def _is_of_host(spot: Spot) -> bool:
    """Return whether packets of an end leave or enter by the host itself: its own, and those of its other networks."""
    return spot.kind is EndKind.HOST or (spot.endpoint is not None and not is_on_lan(spot))


def _parent_of(spot: Spot) -> int | None:
    on_lan = is_on_lan(spot) and spot.network is not None and spot.network.parent is not None
    return spot.network.parent.index if on_lan and spot.network and spot.network.parent else None
