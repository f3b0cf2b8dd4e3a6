"""All clients of DHCP of a host: carries out the actions of their exchanges, and hands them messages and moments.

A client whose lease needs no message has no socket, so a thousand leases that wait for T1 cost their memory only.
Only one thread at a time may use this, see ``plugin.dhcp.runner``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from netlink.arp_probe import Claim
from netlink.dhcp4 import read, recipient
from netlink.dhcp_link import Heard
from netlink.errors import KernelError
from plugin.background.loop import Steady, alive
from plugin.dhcp import exchange as machine
from plugin.dhcp import requests
from plugin.dhcp.agenda import Agenda
from plugin.dhcp.client import Client, Register
from plugin.dhcp.exchange import Action, Got, Lost, Phase, Probe, Refused, Step
from plugin.dhcp.model import ClientIdentity, Lease4, NoAddress, NoServer
from plugin.dhcp.requests import Send
from plugin.dhcp.sockets import LinkSockets, Place

MOST_SERVERS = 1000  # whose MACs are remembered

Key = tuple[str, ClientIdentity]  # link and client
ServerMacs = dict[tuple[str, IPv4Address], str]  # by link and address


class Clients:
    """The clients that are served, their sockets, and the moments at which they go on.

    ``servers`` has the MACs that lead to servers, also for the clients of a later time.
    """

    def __init__(self, sockets: LinkSockets, clock: Callable[[], float], servers: ServerMacs) -> None:
        self._sockets, self._clock, self._servers = sockets, clock, servers
        self._steady = Steady()
        self._served: set[Client] = set()
        self._agenda: Agenda[Client] = Agenda()
        self._register = Register()
        self._kept: dict[Key, Client] = {}

    def __len__(self) -> int:
        return len(self._served)

    def begin(self, client: Client, known: Lease4 | None) -> None:
        """Ask for a lease; the client's ``answer`` gets it, or the error."""
        self._served.add(client)
        self._follow(client, machine.begin(client.exchange, self._clock(), known))

    def give_up(self, client: Client, seconds: float) -> None:
        """Answer a client that has waited for ``seconds``; an address that it was about to get is given back."""
        if client not in self._served or client.answer is None:
            return
        state = client.exchange
        if state.phase in {Phase.REQUESTING, Phase.PROBING} and state.lease is not None:
            self._servers.setdefault((client.link, state.lease.server), state.server_mac)
            self._attempt(client, partial(self._release, client.link, state.identity, state.lease))
        silence = NoServer(f"no DHCP server answered on link '{client.link}' within {seconds:.0f} s")
        self._fail(client, _refusal(client) if state.trouble else silence)

    def keep(self, client: Client, lease: Lease4) -> None:
        """Renew a lease from now on."""
        identity = client.exchange.identity
        self.drop(client.link, identity, None)
        self._served.add(client)
        self._kept[client.link, identity] = client
        client.exchange = replace(client.exchange, server_mac=self._servers.get((client.link, lease.server), ""))
        self._follow(client, machine.resume(client.exchange, self._clock(), lease))

    def drop(self, link: str, identity: ClientIdentity, release: Lease4 | None) -> None:
        """Stop keeping a lease, and give ``release`` back; raises ``KernelError``."""
        client = self._kept.pop((link, identity), None)
        if client is not None:
            self._end(client)
        if release is not None:
            self._release(link, identity, release)

    def _release(self, link: str, identity: ClientIdentity, lease: Lease4) -> None:
        server_mac = self._servers.get((link, lease.server), "")
        send = requests.release(identity, int(self._clock()) & 0xFFFFFFFF, lease, server_mac)
        self._sockets.send(link, send.ends, send.message.pack())

    def next_moment(self) -> float:
        """Return in how many seconds a client goes on."""
        return max(0.0, self._agenda.first() - self._clock())

    def go_on(self) -> None:
        """Let clients go on whose moment has come."""
        for client in self._agenda.due(self._clock()):
            alive()
            self._follow(client, machine.passed(client.exchange, self._clock()))

    def hear(self, places: Iterable[Place]) -> None:
        """Hand out the messages and claims that wait at these places."""
        for place in places:
            alive()
            if place.use == "probes":
                self._take_claims(place.link, self._sockets.claims(place))
            else:
                self._take_messages(self._sockets.heard(place))

    def _take_messages(self, messages: Iterable[Heard]) -> None:
        for heard in messages:
            found = recipient(heard.data)
            client = self._register.asking(found) if found else None
            if client is None:
                continue
            try:
                message = read(heard.data)
            except ValueError:
                continue  # it only looks like DHCP
            self._follow(client, machine.heard(client.exchange, message, heard.source, self._clock()))

    def _take_claims(self, link: str, claims: Iterable[Claim]) -> None:
        for claim in claims:
            client = self._register.holder(link, claim.address)
            if client is not None:
                self._follow(client, machine.claimed(client.exchange, claim, self._clock()))

    def _follow(self, client: Client, step: Step) -> None:
        """Take the next state of a client, and carry out what follows from it."""
        state, actions = step
        self._register.remove(client)
        client.exchange = state
        self._register.add(client)
        self._agenda.note(client, state.deadline)
        client.places = self._sockets.change(client.places, client.wanted())
        for action in actions:
            self._attempt(client, partial(self._act, client, action))

    def _attempt(self, client: Client, call: Callable[[], object]) -> None:
        """Carry something out; a client that waits gets an error as its answer, that of another is logged."""
        if client.answer is None:
            self._steady.attempt(f"DHCP of {client.exchange.identity.mac} on link '{client.link}'", call)
            return
        try:
            call()
        except KernelError as error:
            self._fail(client, error)

    def _act(self, client: Client, action: Action) -> None:
        if isinstance(action, Send):
            for place in client.places:
                self._sockets.open(place)
            self._sockets.send(client.link, action.ends, action.message.pack())
        elif isinstance(action, Probe):
            self._probe(client, action.address)
        elif isinstance(action, Refused):
            self._fail(client, _refusal(client))
        elif isinstance(action, Got):
            self._got(client, action.lease)
        elif isinstance(action, Lost) and client.changed is not None:
            client.changed(None)

    def _probe(self, client: Client, address: IPv4Address) -> None:
        """Ask the LAN for an address; the parent's probe does not reach other containers, so look for them as well."""
        holder = self._register.holder(client.link, address)
        if holder is not None and holder is not client:
            claim = Claim(address, holder.exchange.identity.mac)
            self._follow(client, machine.claimed(client.exchange, claim, self._clock()))
        else:
            self._sockets.probes(Place(client.link, "probes")).ask(address)

    def _got(self, client: Client, lease: Lease4) -> None:
        if len(self._servers) >= MOST_SERVERS:
            self._servers.clear()
        self._servers[client.link, lease.server] = client.exchange.server_mac
        if client.changed is not None:
            client.changed(lease)
        elif client.answer is not None:
            self._end(client)
            client.answer.set_result(lease)

    def _fail(self, client: Client, error: Exception) -> None:
        if client in self._served and client.answer is not None:
            self._end(client)
            client.answer.set_exception(error)

    def _end(self, client: Client) -> None:
        self._served.discard(client)
        self._register.remove(client)
        self._agenda.note(client, math.inf)
        client.places = self._sockets.change(client.places, frozenset())


def _refusal(client: Client) -> NoAddress:
    return NoAddress(f"no address to be had by DHCP on link '{client.link}': {client.exchange.trouble}")
