"""Walks the first packet of a connection from one end to the other, by the records alone: no packet is sent.

Each step is a part of pynet's own rules (``plugin.firewall.ruleset``, ``plugin.firewall.bridge_rules``), of the host's
settings, or of another firewall, in the order in which a packet meets them. The first that stops it decides.
"""

from collections.abc import Iterator
from dataclasses import replace

from plugin.host.docker_bridges import is_docker_name
from plugin.model.records import Endpoint, Network, Published
from plugin.options.network import ROUTED, UNPROTECTED
from plugin.options.tunnel import uses_routes
from plugin.path.foreign import foreign_chains
from plugin.path.guests import guest_steps, is_guest
from plugin.path.lan import is_on_lan, lan_steps
from plugin.path.model import SHORT, Journey, Spot, Surroundings, journey, spot_of
from plugin.path.policies import PARTS, egress, ingress
from plugin.protocol.path_messages import STOPS, Answer, EndKind, Fate, PathQuestion, Step

_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def path(question: PathQuestion, facts: Surroundings) -> Answer:
    """Return the steps of the packet that ``question`` is about; raises as ``plugin.path.model.journey``."""
    steps: list[Step] = []
    for step in _steps(journey(question, facts), facts):
        if question.policy and step.by not in PARTS:
            continue
        steps.append(step)
        if step.fate in STOPS:
            break
    return Answer(steps or [Step("policy", "neither end has a policy about it")])


def _steps(way: Journey, facts: Surroundings) -> Iterator[Step]:
    if _is_itself(way):
        yield Step("delivery", f"{way.source.words} reaches itself without leaving its network namespace")
    elif way.source.endpoint is None and way.target.network is None and not _meets_rules(way, facts):
        text = f"neither {way.source.words} nor {way.target.words} is a container of pynet's, so pynet judges nothing"
        yield Step("delivery", text)
    elif is_on_lan(way.source) or is_on_lan(way.target):
        yield from lan_steps(way)
    else:
        yield from _guard(way.source)
        if is_guest(way.source) or is_guest(way.target):
            yield from guest_steps(way, facts)
        elif way.on_link and way.source.network is not None:
            yield from _within(way, way.source.network, facts)
        else:
            yield from _through_the_host(way, facts)


def _is_itself(way: Journey) -> bool:
    return way.source.endpoint is not None and way.source.endpoint is way.target.endpoint


def _meets_rules(way: Journey, facts: Surroundings) -> bool:
    """Return whether a packet to the host meets rules of pynet: one from elsewhere does, or one to a published port."""
    if way.target.kind is not EndKind.HOST:
        return False
    return way.source.kind is not EndKind.HOST or _published(way, facts) is not None


def _guard(source: Spot) -> Iterator[Step]:
    """The guard lets everything pass that comes from the address that a container was given."""
    if source.endpoint is None or source.network is None:
        return
    if source.endpoint.taken:
        text = f"{source.words} is closed: host '{source.endpoint.taken}' has its address since a takeover"
        yield Step("guard", text, Fate.DROPPED)
    if source.endpoint.guard(source.network).on:
        yield Step("guard", f"{source.words} sends from the MAC and the address that it was given")
    else:
        yield Step("guard", f"{source.words} is not guarded, so it may send from any address")


def _within(way: Journey, network: Network, facts: Surroundings) -> Iterator[Step]:
    """Frames between two ports of a bridge, which the host does not route."""
    here = way.source.on
    if not network.settings.icc:
        text = f"containers of {here} do not reach each other (com.docker.network.bridge.enable_icc=false)"
        yield Step("icc", text, Fate.DROPPED)
    else:
        yield Step("icc", f"containers of {here} may reach each other")
    if sides := _routed_by(way, network, facts):
        yield from _between_hosts(way, facts, sides)
        return
    yield from egress(way, facts, Fate.DROPPED)
    yield from ingress(way, facts, Fate.DROPPED)
    if way.target.endpoint is None and network.overlay is None:
        yield Step("delivery", f"no container of {here} has the address {way.target.address}", Fate.DROPPED)
    if way.version in facts.bridged:
        yield from foreign_chains(way, facts, "forward", (network.link, network.link))
    if way.target.endpoint is None or way.target.endpoint.taken:
        yield Step("delivery", f"the tunnel takes it to the host of {here} that has {way.target.address}, if one does")
    else:
        yield Step("delivery", f"the bridge of {here} delivers it to {way.target.words}")


def _routed_by(way: Journey, network: Network, facts: Surroundings) -> tuple[str, str] | None:
    """Return the links by which the host gets a packet and sends it on to another host, or from one; else None."""
    far = next((spot for spot in (way.source, way.target) if spot.endpoint is None), None)
    if far is None or far.address is None or network.overlay is None or not uses_routes(network.overlay.tunnel):
        return None
    link = facts.towards(far.address)
    if link in {"", network.link}:
        return None  # in the tunnel, or to nobody
    return (link, network.link) if far is way.source else (network.link, link)


def _between_hosts(way: Journey, facts: Surroundings, sides: tuple[str, str]) -> Iterator[Step]:
    """Packets that hosts route to each other's containers, without a tunnel."""
    yield from _forwarding(way, facts)
    yield from egress(way, facts, Fate.REFUSED)
    yield from ingress(way, facts, Fate.REFUSED)
    yield from foreign_chains(way, facts, "forward", sides)
    if way.target.endpoint is None:
        text = f"the host routes it by link '{sides[1]}' to the host of {way.target.on} that has {way.target.address}"
        yield Step("delivery", text)
    else:
        yield Step("delivery", f"it comes by link '{sides[0]}', and the host delivers it to {way.target.words}")


def _forwarding(way: Journey, facts: Surroundings) -> Iterator[Step]:
    if way.version not in facts.forwards:
        text = f"the host does not forward IPv{way.version} ({_FORWARDING[way.version]} is 0)"
        yield Step("forwarding", text, Fate.DROPPED)


def _through_the_host(way: Journey, facts: Surroundings) -> Iterator[Step]:
    yield from _way_out(way, facts)
    if way.target.kind is EndKind.HOST:
        found = _published(way, facts)
        if found is not None:
            yield from _to_published(way, facts, *found)
            return
        yield from _to_the_host(way, facts)
        return
    yield from _onwards(way, facts)


def _way_out(way: Journey, facts: Surroundings) -> Iterator[Step]:
    """The route of a container's packet that does not stay in its network."""
    network = way.source.network
    if network is None:
        return
    own = [subnet.pool for subnet in network.subnets if subnet.pool.version == way.version]
    if way.target.address is not None and any(way.target.address in pool for pool in own):
        return  # an address of the host on this network needs no gateway
    if not network.leads_out or network.router(way.version) is None:
        why = "it is internal" if network.internal else "the engine connects its containers to docker_gwbridge instead"
        why = why if not network.leads_out else "it has no gateway"
        yield Step("route", f"{way.source.on} leads nowhere else: {why}", Fate.DROPPED)
        return
    router = network.router(way.version)
    if network.on_host and router is not None and router not in facts.own:
        yield Step(
            "route", f"it goes to {router}, a router other than the host, which pynet cannot judge", Fate.UNCLEAR
        )
        return
    yield Step("route", f"it goes to the host, the gateway of {way.source.on}")


def _published(way: Journey, facts: Surroundings) -> tuple[Endpoint, Published] | None:
    """Return the published port that the packet meets at the host; one of a single address comes first."""
    at, service = way.target.address, way.service
    found = [
        (end, port)
        for end, port in facts.published()
        if port.host is not None
        and port.proto == service.number(way.version)
        and port.host_port == service.port
        and port.host.version == way.version
        and (port.host == at or port.host.is_unspecified or at is None)
    ]
    exact = [one for one in found if one[1].host == at]
    return next(iter(exact or found), None)


def _to_published(way: Journey, facts: Surroundings, endpoint: Endpoint, port: Published) -> Iterator[Step]:
    place = f"{way.service} of {way.target.words}"
    leads = f"leads to port {port.port} of endpoint '{endpoint.id[:SHORT]}' ({port.target})"
    if port.target.version != way.version:
        yield from _relayed(way, facts)
        if way.source.kind is not EndKind.HOST:
            yield from ingress(_translated(way, port, facts), facts, Fate.REFUSED)
        yield Step("published", f"{place} is relayed by pynet, and {leads}")
        return
    yield Step("published", f"{place} {leads}")
    yield from _onwards(_translated(way, port, facts), facts)


def _translated(way: Journey, port: Published, facts: Surroundings) -> Journey:
    """Return the packet with the address and the port of the container."""
    service, target = replace(way.service, port=port.port), spot_of(port.target, facts)
    return replace(way, target=target, service=service, published=port, host=way.target.address)


def _relayed(way: Journey, facts: Surroundings) -> Iterator[Step]:
    """A process of the host carries the connection: it meets the input chains, and the host reaches its containers."""
    yield from egress(way, facts, Fate.REFUSED)
    network = way.source.network
    if network is not None and network.internal and network.owns_link:
        yield Step("internal", f"{way.source.on} is internal, and reaches no published ports", Fate.DROPPED)
    elif way.source.kind is not EndKind.HOST:
        yield from foreign_chains(way, facts, "input", (_arrives_by(way, facts), ""))


def _to_the_host(way: Journey, facts: Surroundings) -> Iterator[Step]:
    """Packets to the host itself."""
    network, at = way.source.network, way.target.address
    link = facts.own.get(at, "") if at else ""
    closed = next((each for each in facts.networks.values() if each.link == link and each.internal), None)
    if network is not None and not network.gateway_addresses and (link == network.link or not network.leads_out):
        yield Step("route", f"the host has no address on {way.source.on}", Fate.DROPPED)
    if network is not None and network.internal and network.owns_link and link != network.link:
        text = f"{way.source.on} is internal: it reaches the host at its gateway address alone"
        yield Step("internal", text, Fate.DROPPED)
    if closed is not None and closed is not network and closed.owns_link and way.source.kind is not EndKind.HOST:
        text = f"{at} is the gateway of the internal network '{closed.id[:SHORT]}', and open to its containers alone"
        yield Step("internal", text, Fate.DROPPED)
    yield from egress(way, facts, Fate.REFUSED)
    yield from foreign_chains(way, facts, "input", (_arrives_by(way, facts), ""))
    yield Step("delivery", f"{way.target.words} gets it, if a process there listens on {way.service}")


def _onwards(way: Journey, facts: Surroundings) -> Iterator[Step]:
    """Packets that the host sends on, or its own ones, to a container or to the outside."""
    if way.source.kind is EndKind.HOST:
        yield from _from_the_host(way, facts)
        return
    yield from _forwarding(way, facts)
    yield from _internal(way)
    if way.target.network is not None:
        yield from _into_a_network(way, way.target.network, facts)
    elif way.source.network is not None:
        yield from _to_outside(way, way.source.network, facts)


def _internal(way: Journey) -> Iterator[Step]:
    for spot, text in ((way.source, "nothing leaves it"), (way.target, "nothing gets in from elsewhere")):
        if spot.network is not None and spot.network.internal:
            yield Step("internal", f"{spot.on} is internal: {text}", Fate.DROPPED)


def _from_the_host(way: Journey, facts: Surroundings) -> Iterator[Step]:
    network = way.target.network
    if network is not None and not network.gateway_addresses:
        yield Step("route", f"the host has no address on {way.target.on}", Fate.DROPPED)
    yield from foreign_chains(way, facts, "output", ("", network.link if network else _leaves_by(way, facts)))
    if network is not None and way.target.endpoint is None:
        yield Step("delivery", f"no container of {way.target.on} on this host has {way.target.address}", Fate.DROPPED)
    yield Step("delivery", f"the host reaches its own containers: {way.target.words} gets it")


def _to_outside(way: Journey, network: Network, facts: Surroundings) -> Iterator[Step]:
    link = _leaves_by(way, facts)
    if not link:
        yield Step("route", f"the host has no route to {way.target.words}", Fate.DROPPED)
    if is_docker_name(link):
        text = f"{way.target.address} is on Docker's bridge '{link}', which is closed to networks of pynet"
        yield Step("isolation", text, Fate.DROPPED)
    yield from egress(way, facts, Fate.REFUSED)
    yield from foreign_chains(way, facts, "forward", (network.link, link))
    settings = network.settings
    masked = settings.masquerade and settings.gateway_mode(way.version) != ROUTED
    source = settings.source_address(way.version) or "the host's address"
    how = f"with {source} as its source" if masked else "with the container's own address, to which a route must lead"
    yield Step("delivery", f"it leaves by link '{link}' {how}")


def _into_a_network(way: Journey, network: Network, facts: Surroundings) -> Iterator[Step]:
    detour = way.source.network is network and network.settings.icc
    refusal = Fate.DROPPED if detour else Fate.REFUSED  # nft rejects nothing where such a packet is judged
    yield from egress(way, facts, refusal, names=not detour)
    yield from ingress(way, facts, refusal)
    if detour:
        yield Step("isolation", f"both are containers of {way.target.on}")
    else:
        why = _opened(way, network, facts)
        if not why:
            text = f"{way.target.on} is closed to others, but for published ports, and {way.service} of "
            closed = f"{text}{way.target.words} is not open to {way.source.words}{_way_round(way)}"
            yield Step("isolation", closed, Fate.DROPPED)
        yield Step("isolation", f"{way.target.on} lets it in: {why}")
    yield from foreign_chains(way, facts, "forward", (_arrives_by(way, facts), network.link))
    if way.target.endpoint is None and network.overlay is None:
        yield Step("delivery", f"no container of {way.target.on} has {way.target.address}", Fate.DROPPED)
    yield Step("delivery", f"the host delivers it to {way.target.words}")


def _opened(way: Journey, network: Network, facts: Surroundings) -> str:
    """Return why a network lets a packet in from elsewhere, "" if it does not."""
    target = way.target
    if way.published is not None:
        return "the port is published"
    mode = network.settings.gateway_mode(way.version)
    if mode == UNPROTECTED:
        return f"its gateway mode is {UNPROTECTED}"
    ports = [port for port in target.endpoint.published if _is_at(port, way)] if target.endpoint is not None else []
    if mode == ROUTED and way.service.proto == "icmp":
        return f"its gateway mode is {ROUTED}, which is open to ICMP"
    if any(port.host is None for port in ports):
        return f"its gateway mode is {ROUTED}, and the port is published"
    link = _arrives_by(way, facts)
    if link in network.settings.trusted and any(port.host and port.host.version == way.version for port in ports):
        return f"it trusts link '{link}', and the port is published"
    return ""


def _way_round(way: Journey) -> str:
    """Return a hint at the ports of the host that lead to where the packet may not go, "" without one."""
    ports = way.target.endpoint.published if way.target.endpoint is not None else ()
    leading = sorted({port.host_port for port in ports if port.host is not None and _is_at(port, way)})
    named = " or ".join(f"{way.service.proto}/{port}" for port in leading)
    return f"; {named} of the host leads there, so ask for the way to host {named}" if named else ""


def _is_at(port: Published, way: Journey) -> bool:
    return (port.target, port.proto, port.port) == (
        way.target.address,
        way.service.number(way.version),
        way.service.port,
    )


def _arrives_by(way: Journey, facts: Surroundings) -> str:
    """Return the link by which the packet reaches the host."""
    if way.source.network is not None:
        return way.source.network.link
    return facts.towards(way.source.address) if way.source.address else facts.uplink(way.version)


def _leaves_by(way: Journey, facts: Surroundings) -> str:
    return facts.towards(way.target.address) if way.target.address else facts.uplink(way.version)
