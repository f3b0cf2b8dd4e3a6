"""Reports on policies for ``pynet policy show``."""

from collections.abc import Mapping, Sequence

from netlink.values import dataclass
from plugin.protocol.messages import Address


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """The policy of an endpoint, or what a network gives its endpoints: then ``endpoint`` is "".

    Each of the last three has entries as texts, None where everybody is allowed.
    """

    network: str
    endpoint: str
    groups: Sequence[str]
    allow_from: Sequence[str] | None
    allow_out: Sequence[str] | None
    publish_from: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class PolicyReports:
    """The policies of all networks and endpoints that have one, and the addresses of the names in them."""

    policies: Sequence[PolicyReport]
    names: Mapping[str, Sequence[Address]]
