"""Reports on policies for ``pynet policy show``, from the records."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from plugin.errors import InvalidRequest
from plugin.model.policy import Policy, policy_of
from plugin.model.records import Endpoint, Network
from plugin.options.policy import Entries
from plugin.policy.answers import known_addresses
from plugin.protocol.policy_messages import PolicyReport, PolicyReports
from plugin.store.base import Store

_NONE = Policy()


def policy_reports(store: Store) -> PolicyReports:
    """Return the policies of networks and endpoints that have one; a record that cannot be read is left out."""
    found = list(_policies(store))
    every = {name for _, _, policy in found if policy.allow_out is not None for name in policy.allow_out.host_names}
    reports = [
        PolicyReport(
            network,
            endpoint,
            policy.groups,
            _texts(policy.allow_from),
            _texts(policy.allow_out),
            _texts(policy.publish_from),
        )
        for network, endpoint, policy in found
    ]
    return PolicyReports(reports, {name: list(known_addresses(store, name)) for name in sorted(every)})


def _policies(store: Store) -> Iterator[tuple[str, str, Policy]]:
    networks = {item.record.id: item.record for item in store.list(Network)}
    for network in networks.values():
        given = network.readable_settings
        denied = given.allow_out if given.egress == "deny" else None
        policy = Policy((), given.allow_from, denied, given.publish_from)
        if policy != _NONE:
            yield network.id, "", policy
    for endpoint in (item.record for item in store.list(Endpoint)):
        with suppress(InvalidRequest, KeyError):
            policy = policy_of(networks[endpoint.network_id], endpoint)
            if policy != _NONE:
                yield endpoint.network_id, endpoint.id, policy


def _texts(entries: Entries | None) -> Sequence[str] | None:
    return None if entries is None else list(map(str, entries))
