"""What can be wrong with leases, in the words of ``pynet status`` and ``pynet doctor``."""

from collections.abc import Iterable, Iterator

from plugin.dhcp.model import FOREVER
from plugin.dhcp.record import DhcpLease
from plugin.protocol.messages import Repair

SHORT = 12  # digits of an id


def flaws(leases: Iterable[DhcpLease], now: float) -> Iterator[Repair]:
    """Yield what is wrong with each of ``leases``, whose endpoints exist, at ``now``, in seconds since 1970."""
    for each in leases:
        lease = each.lease
        if lease is None:
            continue
        what = f"endpoint '{each.endpoint_id[:SHORT]}' of network '{each.network_id[:SHORT]}' uses address"
        if each.lost or lease.over(now):
            cure = f"look for the DHCP server on '{each.link}', or start the container again"
            yield _flaw("LeaseLost", f"{what} '{(each.address or lease.address).ip}', whose lease has ended: {cure}")
        elif each.moved and each.address:
            cure = "run pynet endpoint renew for the container, or start it again"
            given = f"server '{lease.server}' gives it '{lease.address.ip}' now"
            yield _flaw("LeaseMoved", f"{what} '{each.address.ip}', and {given}: {cure}")
        elif lease.lasts != FOREVER and now >= lease.taken + lease.t2:
            cure = f"look for the DHCP server on '{each.link}'"
            yield _flaw("LeaseNotRenewed", f"{what} '{lease.address.ip}', whose lease no server renews: {cure}")


def refusal(wanted: DhcpLease, why: str) -> Repair:
    """Return the finding about a container that got no address."""
    what = f"the last container of network '{wanted.network_id[:SHORT]}' got no address by DHCP on '{wanted.link}'"
    return _flaw("NoLease", f"{what}: {why}: look for the server, and for free addresses in its pool")


def _flaw(kind: str, sentence: str) -> Repair:
    return Repair(kind, sentence, sentence)
