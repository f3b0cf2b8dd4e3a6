"""The state machine of a client of DHCP, as a value (RFC 2131 section 4.4).

A step takes an event (a message, an answer to a probe, a moment that has come) and returns the next state and the
actions that follow. There is no socket and no clock in it; times are seconds since 1970.

    SELECTING -> REQUESTING -> PROBING -> BOUND -> RENEWING -> REBINDING -> BOUND again, or SELECTING
    REBOOTING -> PROBING, or SELECTING
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address

from netlink import dhcp4
from netlink.arp_probe import Claim
from netlink.dhcp4 import DhcpMessage
from plugin.dhcp import requests
from plugin.dhcp.answers import lease_of
from plugin.dhcp.model import FOREVER, ClientIdentity, Lease4
from plugin.dhcp.requests import Send

FIRST, DOUBLINGS = 0.5, 6  # seconds until a message is sent again: 0.5, 1, 2, 4, 8, 16, 32, and 32 from then on
REBOOTS, REQUESTS = 3, 4  # messages without an answer, after which any server is asked again
OTHER_OFFERS = 2  # rounds of offers without the wished address, after which there is none to be had
RENEWAL_GAP, LONGEST_GAP = 60.0, 3600.0  # seconds between two requests for more time, as far as the lease has room
PROBES, PROBE_GAP = 3, 0.1  # probes, and seconds after each in which an owner of the address may answer
SECOND_THOUGHT = 0.5  # seconds after a NAK in which another server may still grant the lease
AFTER_DECLINE = 0.5  # seconds until the next question, doubled each time
SPREAD_RESUMED = 3.0  # seconds over which leases of an earlier process are renewed


class Phase(Enum):
    """The wait of a client."""

    SELECTING = "for offers"
    REQUESTING = "for the grant of an offer"
    REBOOTING = "for the grant of a lease that it had"
    PROBING = "for another owner of the address"
    PAUSING = "until it may ask again"
    BOUND = "for T1"
    RENEWING = "for more time from its server"
    REBINDING = "for more time from any server"


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the LAN whether somebody has the address."""

    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Got:
    """The client has this lease, new or renewed."""

    lease: Lease4


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease has ended, and the client asks for another."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The wished address cannot be had, as ``Exchange.trouble`` says."""


Action = Send | Probe | Got | Lost | Refused
Step = tuple["Exchange", tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The state of a client.

    Attributes:
        draw: returns random numbers from 0 to 1.
        wish: the only address that it takes.
        hint: an address that it would like.
        deadline: the moment at which ``passed`` is to be called.
        lease: the lease that was offered, asked for, or granted.
        spare: the offer of a server in ``avoided``, taken if there is no other.
        server_mac: the MAC from which the last grant came, "" if there was none yet.
        refused: whether a server refused, and others have a moment to grant.
        trouble: why there is no lease yet, "" as long as no server answered.
        elsewhere: whether a server offered another address than the wished one.
        avoided: servers that did not keep an offer.
        declined: addresses that other machines have.
    """

    identity: ClientIdentity
    draw: Callable[[], float]
    wish: IPv4Address | None = None
    hint: IPv4Address | None = None
    phase: Phase = Phase.PAUSING
    xid: int = 0
    began: float = 0.0
    asked: float = 0.0
    deadline: float = math.inf
    tries: int = 0
    lease: Lease4 | None = None
    spare: Lease4 | None = None
    server_mac: str = ""
    refused: bool = False
    trouble: str = ""
    elsewhere: bool = False
    avoided: frozenset[IPv4Address] = frozenset()
    declined: frozenset[IPv4Address] = frozenset()


def begin(state: Exchange, now: float, known: Lease4 | None = None) -> Step:
    """Ask for an address, or again for that of ``known``."""
    if known is None or known.address.ip != (state.wish or known.address.ip):
        return _select(state, now)
    if known.over(now):
        return _select(replace(state, hint=known.address.ip), now)
    return _ask(_enter(state, Phase.REBOOTING, now, known), now)


def resume(state: Exchange, now: float, lease: Lease4) -> Step:
    """Keep a lease; if the MAC of its server is not known, it is renewed soon."""
    return _lose(state, now, lease) if lease.over(now) else (_bind(state, now, lease), ())


def heard(state: Exchange, message: DhcpMessage, source: str, now: float) -> Step:
    """Take a message that came from the MAC ``source``."""
    if (message.xid, message.mac) != (state.xid, state.identity.mac):
        return state, ()
    if message.kind == dhcp4.NAK:
        return _refuse(state, message, now)
    selecting = state.phase is Phase.SELECTING
    if message.kind != (dhcp4.OFFER if selecting else dhcp4.ACK):
        return state, ()
    try:
        lease = lease_of(message, state.asked)
    except ValueError as error:
        return replace(state, trouble=str(error)), ()
    return _consider(state, lease, now) if selecting else _grant(state, lease, source, now)


def claimed(state: Exchange, claim: Claim, now: float) -> Step:
    """Take a claim of an address; if it is the one that the client is about to use, decline it and ask again."""
    lease = state.lease
    if state.phase is not Phase.PROBING or lease is None or claim.address != lease.address.ip:
        return state, ()
    if claim.mac == state.identity.mac:
        return state, ()
    trouble = f"server {lease.server} gives '{claim.address}', which the machine with MAC {claim.mac} has"
    pause = AFTER_DECLINE * 2 ** min(len(state.declined), DOUBLINGS)
    declined = state.declined | {claim.address}
    paused = _pause(replace(state, declined=declined, hint=None, trouble=trouble), now, pause)
    return paused, (requests.decline(state.identity, state.xid, lease),)


def passed(state: Exchange, now: float) -> Step:
    """Go on, if ``deadline`` has come."""
    if now < state.deadline:
        return state, ()
    if state.lease is None:
        return _select(state, now) if state.phase is Phase.PAUSING else _selecting_passed(state, now)
    return _PASSED[state.phase](state, now, state.lease)


def _consider(state: Exchange, offer: Lease4, now: float) -> Step:
    address = offer.address.ip
    if address in state.declined:
        return state, ()
    if state.wish not in {None, address}:
        trouble = f"server {offer.server} gives '{address}' instead of '{state.wish}'"
        return replace(state, trouble=trouble, elsewhere=True), ()
    if offer.server in state.avoided:
        return replace(state, spare=offer), ()
    return _accept(state, offer, now)


def _accept(state: Exchange, offer: Lease4, now: float) -> Step:
    return _ask(replace(state, phase=Phase.REQUESTING, tries=0, lease=offer, spare=None), now)


def _grant(state: Exchange, lease: Lease4, source: str, now: float) -> Step:
    before, renewed = state.lease, state.phase in {Phase.RENEWING, Phase.REBINDING}
    if before is None or lease.address.ip != before.address.ip:
        return state, ()
    if lease.server != before.server and _asks_one_server(state):
        return state, ()
    granted = replace(state, lease=lease, server_mac=source, avoided=frozenset(), refused=False)
    if renewed:
        return _bind(granted, now, lease), (Got(lease),)
    if state.phase in {Phase.REQUESTING, Phase.REBOOTING}:
        return _probe(replace(granted, phase=Phase.PROBING, tries=0), now, lease)
    return state, ()


def _asks_one_server(state: Exchange) -> bool:
    return state.phase is Phase.REQUESTING or (state.phase is Phase.RENEWING and state.server_mac != "")


def _refuse(state: Exchange, message: DhcpMessage, now: float) -> Step:
    """Believe a NAK of the server that was asked; to a question to all servers another one may still say yes."""
    server, lease, words = message.address(dhcp4.SERVER), state.lease, message.text(dhcp4.TEXT)
    if lease is None or server is None:
        return state, ()
    trouble = f"server {server} refuses '{lease.address.ip}'" + (f": {words}" if words else "")
    if _asks_one_server(state):
        if server != lease.server:
            return state, ()
        if state.phase is Phase.RENEWING:
            return _lose(replace(state, trouble=trouble), now, lease, again=False)
        return _pause(replace(state, trouble=trouble, hint=None), now, FIRST), ()
    if state.refused or state.phase not in {Phase.REBOOTING, Phase.RENEWING, Phase.REBINDING}:
        return state, ()
    deadline = min(state.deadline, now + SECOND_THOUGHT)
    return replace(state, trouble=trouble, refused=True, deadline=deadline), ()


def _select(state: Exchange, now: float) -> Step:
    return _ask(_enter(state, Phase.SELECTING, now), now)


def _enter(state: Exchange, phase: Phase, now: float, lease: Lease4 | None = None) -> Exchange:
    xid = int(state.draw() * 0xFFFFFFFF)
    return replace(state, phase=phase, xid=xid, began=now, tries=0, lease=lease, spare=None, refused=False)


def _ask(state: Exchange, now: float) -> Step:
    """Send the message of the phase, for the first time or again."""
    seconds, identity, xid, lease = now - state.began, state.identity, state.xid, state.lease
    wait = FIRST * 2 ** min(state.tries, DOUBLINGS) * (0.75 + state.draw() / 2)
    asked = replace(state, asked=now, tries=state.tries + 1, deadline=now + wait)
    if lease is None:
        return asked, (requests.discover(identity, xid, seconds, state.wish or state.hint),)
    if state.phase is Phase.REQUESTING:
        return asked, (requests.request(identity, xid, seconds, lease),)
    return asked, (requests.reboot(identity, xid, seconds, lease),)


def _pause(state: Exchange, now: float, seconds: float) -> Exchange:
    return replace(state, phase=Phase.PAUSING, lease=None, deadline=now + seconds)


def _probe(state: Exchange, now: float, lease: Lease4) -> Step:
    return replace(state, tries=state.tries + 1, deadline=now + PROBE_GAP), (Probe(lease.address.ip),)


def _bind(state: Exchange, now: float, lease: Lease4) -> Exchange:
    renewal = math.inf if lease.t1 == FOREVER else lease.taken + lease.t1 * (0.95 + state.draw() / 20)
    if not state.server_mac:
        renewal = min(renewal, now + SPREAD_RESUMED * state.draw())
    return replace(state, phase=Phase.BOUND, lease=lease, deadline=renewal, trouble="", declined=frozenset())


def _lose(state: Exchange, now: float, lease: Lease4, *, again: bool = True) -> Step:
    """End a lease, and ask for another, of the same address if a server will give it ``again``."""
    selecting, actions = _select(replace(state, hint=lease.address.ip if again else None), now)
    return selecting, (Lost(), *actions)


def _renew(state: Exchange, now: float, lease: Lease4) -> Step:
    """Send a request for more time, after half of the time that is left for it (RFC 2131 section 4.4.5)."""
    ends = lease.lasts != FOREVER
    rebinding = ends and now >= lease.taken + lease.t2
    limit = lease.taken + (lease.lasts if rebinding else lease.t2) if ends else math.inf
    least = min(RENEWAL_GAP, max(1.0, lease.lasts / 16))
    deadline = min(now + min(max((limit - now) / 2, least), LONGEST_GAP), limit)
    phase, mac = (Phase.REBINDING, "") if rebinding else (Phase.RENEWING, state.server_mac)
    asked = replace(state, phase=phase, asked=now, tries=state.tries + 1, deadline=deadline)
    return asked, (requests.renewal(state.identity, state.xid, now - state.began, lease, mac),)


def _selecting_passed(state: Exchange, now: float) -> Step:
    if state.spare is not None:
        return _accept(state, state.spare, now)
    asked, actions = _ask(state, now)
    return asked, (*actions, Refused()) if state.elsewhere and state.tries >= OTHER_OFFERS else actions


def _requesting_passed(state: Exchange, now: float, offer: Lease4) -> Step:
    if state.tries < REQUESTS:
        return _ask(state, now)
    trouble = f"server {offer.server} offers '{offer.address.ip}', and does not answer the request for it"
    return _select(replace(state, trouble=trouble, avoided=state.avoided | {offer.server}), now)


def _rebooting_passed(state: Exchange, now: float, known: Lease4) -> Step:
    if state.refused:
        return _select(replace(state, hint=None), now)
    if state.tries < REBOOTS:
        return _ask(state, now)
    return _select(replace(state, hint=known.address.ip), now)


def _probing_passed(state: Exchange, now: float, lease: Lease4) -> Step:
    if state.tries < PROBES:
        return _probe(state, now, lease)
    return _bind(state, now, lease), (Got(lease),)


def _bound_passed(state: Exchange, now: float, lease: Lease4) -> Step:
    if lease.over(now):  # the machine slept
        return _lose(state, now, lease)
    return _renew(_enter(state, Phase.RENEWING, now, lease), now, lease)


def _renewing_passed(state: Exchange, now: float, lease: Lease4) -> Step:
    if state.refused or lease.over(now):
        return _lose(state, now, lease, again=not state.refused)
    return _renew(state, now, lease)


_PASSED: Mapping[Phase, Callable[[Exchange, float, Lease4], Step]] = {
    Phase.REQUESTING: _requesting_passed,
    Phase.REBOOTING: _rebooting_passed,
    Phase.PROBING: _probing_passed,
    Phase.BOUND: _bound_passed,
    Phase.RENEWING: _renewing_passed,
    Phase.REBINDING: _renewing_passed,
}
