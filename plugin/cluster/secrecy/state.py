"""The state of the encrypted tunnels of this host, and problems as sentences."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from netlink.values import dataclass
from plugin.cluster.secrecy.records import HostKeys

PATIENCE = 10.0  # seconds after which a host that has not answered is a problem; greetings are 5 s apart


@dataclass(frozen=True, slots=True)
class SecrecyState:
    """The hosts for which a change of keys ``waits``, and why others are ``refused`` as peers, by host.

    ``silent`` has the peers without a handshake, and since when (by a steady clock) they are without one.
    """

    waits: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, float] = field(default_factory=dict)

    def problems(self, others: Collection[HostKeys], now: float, names: Mapping[str, str]) -> Sequence[str]:
        """Return what is wrong ``now``, in sentences, with ``others`` as the records of the silent hosts.

        ``names`` are those of hosts by their ids.
        """
        found = [
            f"host '{names.get(host, host)}' is no peer of this one: {why}"
            for host, why in sorted(self.refused.items())
        ]
        waits = ", ".join(f"'{names.get(host, host)}'" for host in self.waits)
        late = [keys for keys in others if now - self.silent.get(keys.host, now) >= PATIENCE]
        return [
            *found,
            *([f"a change of keys waits for host {waits}"] if waits else []),
            *(_silent(keys, names.get(keys.host, keys.host)) for keys in late),
        ]


def _silent(keys: HostKeys, name: str) -> str:
    ports = " and ".join(str(key.port) for key in keys.keys)
    return (
        f"host '{name}' has not answered WireGuard at {keys.address} yet: UDP port {ports} must be open between the "
        "hosts, and pynet must run there"
    )
