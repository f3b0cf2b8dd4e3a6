"""From the bytes of a question to the bytes of its response; importing this loads dnspython, which takes 7 MB."""

from collections.abc import Callable, Sequence

import dns.flags
import dns.message
import dns.rcode

from plugin.protocol.messages import Address
from plugin.resolver.answers import Asker, OwnAnswers, read, reply
from plugin.resolver.cache import Cache, Key, copied
from plugin.resolver.counts import QuestionCounts
from plugin.resolver.events import SocketEvents
from plugin.resolver.forwarding import Upstream
from plugin.resolver.limits import HeldShare, ResolverLimits
from plugin.resolver.zone import Zone

Send = Callable[[bytes], object]
MayAsk = Callable[[Address, str | None, str], bool]  # a client, its network, and a name without the final dot
_LARGEST = 65535
_LEAST = 512  # bytes that every client takes by UDP (RFC 1035, section 4.2.1)


class Answering:
    """``may_ask`` says whether a client may have other servers asked for a name; ``counts`` has the outcomes."""

    def __init__(
        self,
        events: SocketEvents,
        zone: Zone,
        servers: Callable[[], Sequence[str]],
        may_ask: MayAsk,
        limits: ResolverLimits,
        counts: QuestionCounts,
    ) -> None:
        self._counts = counts
        self._limits = limits
        self._may_ask = may_ask
        self._answers = OwnAnswers(zone, limits)
        self._cache = Cache(limits)
        self._forwarding = Upstream(events, servers, self._cache, limits)
        self._share = HeldShare(limits.waiting, limits.waiting_of_client)

    @property
    def kept(self) -> int:
        """The number of answers in the cache."""
        return len(self._cache)

    def question(self, wire: bytes, client: Asker, send: Send, *, stream: bool) -> None:
        """Have ``send`` called with the response, at once or later; never for a message that gets no response."""
        query = read(wire)
        if query is None:
            return
        if query.flags & dns.flags.QR:  # not to be read
            self._counts.refused += 1
            send(query.to_wire())
            return

        room = _LARGEST if stream else _room(query, self._limits)

        def respond(response: dns.message.Message, *, shuffled: bool = True) -> None:
            send(response.to_wire(max_size=room, prepend_length=stream, prefer_truncation=True, want_shuffle=shuffled))

        response = self._answers.answer(query, client)
        if response is not None:
            refused = response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
            self._counts.refused += refused
            self._counts.own += not refused
            respond(response, shuffled=False)  # it has its addresses in turn
        else:
            self._other(query, client, respond)

    def _other(
        self, query: dns.message.Message, client: Asker, respond: Callable[[dns.message.Message], object]
    ) -> None:
        """Answer from the cache, or by the host's servers."""
        response, key = reply(query, self._limits), Key.of(query)
        if not self._may_ask(client.address, client.network, key.name.to_text(omit_final_dot=True)):
            self._counts.refused += 1
            response.set_rcode(dns.rcode.REFUSED)
            respond(response)
            return
        kept = self._cache.get(key)
        if kept is not None:
            self._counts.cached += 1
            respond(copied(kept[0], response, kept[1]))
            return
        if not self._share.hold(client.address):
            self._failed(response, respond)
            return

        def done(answer: dns.message.Message | None) -> None:
            self._share.release(client.address)
            if answer is None:
                self._failed(response, respond)
            else:
                self._counts.forwarded += 1
                respond(copied(answer, response, 0))

        self._forwarding.ask(key, done)

    def _failed(self, response: dns.message.Message, respond: Callable[[dns.message.Message], object]) -> None:
        self._counts.failed += 1
        response.set_rcode(dns.rcode.SERVFAIL)
        respond(response)


def _room(query: dns.message.Message, limits: ResolverLimits) -> int:
    """Return the bytes of the largest response that the client takes by UDP; a larger one is truncated."""
    return min(max(query.payload, _LEAST), limits.payload) if query.edns >= 0 else _LEAST
