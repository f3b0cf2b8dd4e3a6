"""The steps of packets of containers on a bridge of the user's: rules judge at their ports, the LAN does the rest."""

from collections.abc import Iterator

from plugin.model.records import Network
from plugin.path.foreign import foreign_chains
from plugin.path.model import Journey, Spot, Surroundings
from plugin.path.policies import egress, ingress
from plugin.protocol.path_messages import EndKind, Fate, Step


def is_guest(spot: Spot) -> bool:
    """Return whether an end is a container with a port in a bridge of the user's."""
    endpoint, network = spot.endpoint, spot.network
    return endpoint is not None and endpoint.parent is None and network is not None and not network.host_gateway


def guest_steps(way: Journey, facts: Surroundings) -> Iterator[Step]:
    """Yield the steps behind the guard of a packet from or to such a container, or between two of them."""
    source, target = _bridge_of(way.source, facts), _bridge_of(way.target, facts)
    yield from _isolated(way)
    yield from egress(way, facts, Fate.DROPPED)
    yield from ingress(way, facts, Fate.DROPPED)
    if way.version in facts.bridged and EndKind.HOST not in {way.source.kind, way.target.kind}:
        bridge = source or target
        yield from foreign_chains(way, facts, "forward", (bridge, bridge))
    if is_guest(way.source) and way.source.network is not None and not (source and source == target):
        yield from _route(way, way.source.network)
    if source and source == target:
        yield Step("delivery", f"bridge '{source}' delivers it to {way.target.words}")
    else:
        text = f"the LAN of bridge '{source or target}' delivers it to {way.target.words}, if it can"
        yield Step("delivery", text, Fate.UNCLEAR)


def _bridge_of(spot: Spot, facts: Surroundings) -> str:
    """Return the bridge of a container, or of an address of the host; "" for others."""
    if is_guest(spot) and spot.network is not None:
        return spot.network.link
    return facts.own.get(spot.address, "") if spot.address else ""


def _isolated(way: Journey) -> Iterator[Step]:
    ends = [spot.network for spot in (way.source, way.target) if is_guest(spot) and spot.network is not None]
    if len(ends) == len((way.source, way.target)) and not any(network.settings.icc for network in ends):
        text = "the bridge passes nothing between containers without icc (com.docker.network.bridge.enable_icc=false)"
        yield Step("icc", text, Fate.DROPPED)


def _route(way: Journey, network: Network) -> Iterator[Step]:
    """Yield the step to a router, if the target is in no subnet of the sender's network."""
    at, own = way.target.address, way.source.address
    if at is not None and any(at.version == one.pool.version and at in one.pool for one in network.subnets):
        return
    subnet = next((one for one in network.subnets if own is not None and own in one.pool), None)
    router = subnet.router if subnet else None
    if network.internal or router is None:
        why = "it is internal" if network.internal else "it has no gateway"
        yield Step("route", f"{way.source.on} leads nowhere but to its own subnets: {why}", Fate.DROPPED)
        return
    yield Step("route", f"it goes to {router.ip}, a router of the LAN, which pynet cannot judge", Fate.UNCLEAR)
