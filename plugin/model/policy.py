"""The policy of an endpoint: its own options, and its network's where it has none."""

from functools import lru_cache

from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.policy import Entries


@dataclass(frozen=True, slots=True)
class Policy:
    """Who an endpoint may talk to; None allows everybody.

    ``allow_from`` is about new connections to it, ``allow_out`` about those that it opens, ``publish_from`` about its
    published ports.
    """

    groups: tuple[str, ...] = ()
    allow_from: Entries | None = None
    allow_out: Entries | None = None
    publish_from: Entries | None = None

    @property
    def ruled(self) -> bool:
        """Whether frames of its port are judged within the network."""
        return self.allow_from is not None or self.allow_out is not None


def policy_of(network: Network, endpoint: Endpoint) -> Policy:
    """Return the policy of ``endpoint``; raises as ``Network.settings``, and as ``check_publisher``."""
    return _policy(network.settings, endpoint.settings)


@lru_cache(maxsize=256)  # settings are shared by all records with the same options
def _policy(given: NetworkSettings, own: EndpointSettings) -> Policy:
    denied = (own.egress or given.egress) == "deny"
    policy = Policy(
        own.groups,
        given.allow_from if own.allow_from is None else own.allow_from,
        (given.allow_out if own.allow_out is None else own.allow_out) if denied else None,
        given.publish_from if own.publish_from is None else own.publish_from,
    )
    check_publisher(given, denied=denied, limited=policy.publish_from is not None)
    return policy


def check_publisher(settings: NetworkSettings, *, denied: bool, limited: bool) -> None:
    """Refuse what does not hold where the engine connects containers to its own bridge.

    Raises:
        InvalidRequest: egress is ``denied`` or clients of published ports are ``limited`` there.
    """
    for wanted, option in ((denied, NetworkSettings.egress), (limited, NetworkSettings.publish_from)):
        if wanted and settings.publish != "pynet":
            raise InvalidRequest(
                f"option '{option.key}' does not hold with '{NetworkSettings.publish.key}={settings.publish}', as "
                "containers are then also on a bridge of the engine's own"
            )
