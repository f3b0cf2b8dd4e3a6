"""The steps of a packet at which the policies of its ends judge it."""

from collections.abc import Callable, Collection, Iterator

from plugin.model.policy import Policy, policy_of
from plugin.path.model import Journey, Spot, Surroundings
from plugin.policy.judge import Meeting, PolicyPart, Ruling, entering, leaving, using_port
from plugin.protocol.messages import Address
from plugin.protocol.path_messages import Fate, Step

PARTS = frozenset(PolicyPart)
_NOBODY = Policy()
_OPTION = {
    PolicyPart.OUT: "pynet.allow_out",
    PolicyPart.IN: "pynet.from",
    PolicyPart.PUBLISHED: "pynet.publish_from",
}


def egress(way: Journey, facts: Surroundings, refusal: Fate, *, names: bool = True) -> Iterator[Step]:
    """Yield what the policy of the sender says; ``names`` is whether names of hosts count."""
    meeting = _meeting(way, way.target, _groups(way.target, facts) if way.on_link else (), also=way.host)
    resolve = facts.resolve if names and not way.on_link else _nothing
    resolvers = facts.resolvers if names and not way.on_link else ()
    yield from _step(way, way.source, leaving(_policy(way.source), meeting, resolve, resolvers), refusal)


def ingress(way: Journey, facts: Surroundings, refusal: Fate) -> Iterator[Step]:
    """Yield what the policy of the receiver says: of its published port, or of everything else."""
    groups = _groups(way.source, facts) if way.on_link else ()
    judge: Callable[[Policy, Meeting], Ruling | None] = using_port if way.published else entering
    yield from _step(way, way.target, judge(_policy(way.target), _meeting(way, way.source, groups)), refusal)


def _step(way: Journey, whose: Spot, ruling: Ruling | None, refusal: Fate) -> Iterator[Step]:
    if ruling is None:
        return
    option = f"{_OPTION[ruling.part]} of {whose.words}"
    if ruling.entry is not None:
        yield Step(ruling.part, f"'{ruling.entry}' in {option} allows it")
    else:
        other = f"to {way.target.words}" if whose is way.source else f"from {way.source.words}"
        text = f"no entry of {option} allows {way.service} {other}; the entries are: {ruling.entries}"
        yield Step(ruling.part, text, refusal)


def _meeting(way: Journey, other: Spot, groups: Collection[str], also: Address | None = None) -> Meeting:
    return Meeting(other.address, way.service.proto, way.service.port, groups, also)


def _policy(spot: Spot) -> Policy:
    if spot.endpoint is None or spot.network is None:
        return _NOBODY
    return policy_of(spot.network, spot.endpoint)


def _groups(spot: Spot, facts: Surroundings) -> Collection[str]:
    if spot.endpoint is None and spot.network is not None and spot.network.overlay is not None and spot.address:
        return facts.far_groups(spot.network.overlay.network).get(spot.address, ())
    return _policy(spot).groups


def _nothing(_name: str) -> tuple[Address, ...]:
    return ()
