"""The elements that each owner wants, and the elements that the kernel has as far as this process knows.

An element is in the kernel once, and goes when its last owner goes. Two endpoints may publish one port number of two
addresses, which is one element of the set of relayed ports; an endpoint that the engine gave up and the one that got
its address have the same elements too. A key of a map leads to one value: the owner that has it keeps it, and another
owner that wants to lead it elsewhere is refused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from netlink.errors import KernelError
from netlink.nft_elements import Element, NamedSet
from netlink.values import dataclass
from plugin.errors import Conflict
from plugin.firewall.elements import closed
from plugin.firewall.foreign_chains import Named
from plugin.firewall.sets import BRIDGES, LANS, PUBLISHED_ANY, RESOLVED
from plugin.model.elements import Elements
from plugin.model.names import NETWORK, is_own_bridge
from plugin.request.locks import LockName

NAMES_OF = "names of "  # begins the name of an owner whose elements are for names in the policy of an endpoint
PORTS_OF = "ports of "  # begins the name of an owner whose elements publish the ports of an endpoint
_EVERYWHERE = {PUBLISHED_ANY[4]: "0.0.0.0", PUBLISHED_ANY[6]: "::"}  # noqa: S104 - no address to bind
_DOCKER = "Docker's bridges"  # an owner
Change = tuple[list[Element], list[Element]]  # to delete from the kernel, and to add


def names_owner(endpoint_id: str) -> str:
    """Return the name under which the firewall knows the elements for names in the policy of an endpoint."""
    return NAMES_OF + endpoint_id


class Shares:
    """The elements of each owner, the number of owners of each element, and the keys of maps.

    A change costs as much as it changes.
    """

    def __init__(self, contents: Mapping[str, Elements] | None = None) -> None:
        self._has: dict[str, Elements] = {}  # by owner
        self._owners: dict[Element, int] = {}  # how many have it
        self._keys: dict[NamedSet, dict[bytes, Element]] = {}  # map -> key -> element
        # Bridges that pynet did not name, and places at which containers ask pynet's resolver.
        self.named: Mapping[NamedSet, set[str]] = {of: set() for of in (BRIDGES, LANS, *RESOLVED.values())}
        for owner, elements in (contents or {}).items():
            self.give(owner, elements)

    def of(self, owner: str) -> Elements:
        """Return the elements of ``owner``."""
        return self._has.get(owner, ())

    def contents(self) -> Sequence[Elements]:
        """Return the elements of all owners, by owner."""
        return list(self._has.values())

    def give(self, owner: str, elements: Elements) -> Change:
        """Replace the elements of ``owner``; return the elements to delete from the kernel, and those to add."""
        before = self._has.pop(owner, ())
        if elements:
            self._has[owner] = elements
        return list(self._drop(_only_in(before, elements))), list(self._take(_only_in(elements, before)))

    def claimed(self, owner: str, elements: Elements) -> str:
        """Return a sentence about a key that has another value, in ``elements`` or for another owner; else ""."""
        own, new = frozenset(self.of(owner)), dict[tuple[NamedSet, bytes], Element]()
        for element in elements:
            if element.of.value:
                if new.setdefault((element.of, element.key), element) != element:
                    return _sentence(element, owner)
                there = self._keys.get(element.of, {}).get(element.key, element)
                if there != element and self._owners[there] > (there in own):
                    return _sentence(element, self._holder(there, owner))
        return ""

    def _drop(self, elements: Iterable[Element]) -> Iterator[Element]:
        """Count ``elements`` down, and yield those that have no owner left."""
        for element in elements:
            self._owners[element] -= 1
            if not self._owners[element]:
                del self._owners[element]
                if element.of.value:
                    del self._keys[element.of][element.key]
                self._note(element, set.discard)
                yield element
        if not self._owners:
            self._owners, self._keys = {}, {}  # a dict never gives back the room for its entries

    def _take(self, elements: Iterable[Element]) -> Iterator[Element]:
        """Count ``elements`` up, and yield those that had no owner."""
        for element in elements:
            self._owners[element] = known = self._owners.get(element, 0) + 1
            if known == 1:
                if element.of.value:
                    self._keys.setdefault(element.of, {})[element.key] = element
                self._note(element, set.add)
                yield element

    def _note(self, element: Element, change: Callable[[set[str], str], None]) -> None:
        """Add or discard the bridge or place that ``element`` names, if other firewalls have to know it."""
        for of, name in _named(element):
            change(self.named[of], name)

    def _holder(self, element: Element, but: str) -> str:
        return next(owner for owner, has in self._has.items() if owner != but and element in has)


@dataclass(frozen=True, slots=True)
class Owned:
    """The elements of an owner, and the id of its network, whose lock the request that put it held.

    It is "" for owners that were loaded, or put outside of a request.
    """

    elements: Elements
    network: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The elements that should be in the kernel at a moment, owner by owner.

    ``named`` are the links of networks whose names pynet did not choose; ``changes`` counts the changes so far.
    """

    contents: Sequence[Elements]
    named: Named
    changes: int


class Wants:
    """The caller ensures that one thread at a time uses it.

    ``put`` and ``drop`` return the changes that the kernel needs. ``refused`` has the owners whose elements cannot be
    written, and the reasons; such an owner is closed. ``failed`` is called when an attempt has failed.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self.refused: dict[str, str] = {}
        self.docker: Elements = ()  # of Docker's bridges
        self.changes = 0  # how often elements were changed or written
        self._owned: dict[str, Owned] = {}
        self._shares = Shares()

    def __contains__(self, owner: str) -> bool:
        """Return whether ``owner`` was put, also without elements."""
        return owner in self._owned

    def __len__(self) -> int:
        """Return the number of owners, without Docker's bridges."""
        return len(self._owned)

    def owners(self, *some: str) -> dict[str, Owned]:
        """Return the elements and the network of each owner, or of ``some`` that were put."""
        return {name: self._owned[name] for name in some if name in self._owned} if some else dict(self._owned)

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Replace the elements of all owners by ``wanted``, which is in the kernel."""
        self._owned = {owner: Owned(elements) for owner, elements in wanted.items()}
        self._shares, self.refused = judged(self.everything())
        self.changes += 1

    def everything(self) -> dict[str, Elements]:
        """Return all elements to write, by owner, with those of Docker's bridges."""
        return {owner: owned.elements for owner, owned in self._owned.items()} | {_DOCKER: self.docker}

    def unfit(self) -> Mapping[str, str]:
        """Return the owners whose elements cannot be written, and why; none can have become so since it was put."""
        return judged(self.everything())[1] if self.refused else {}

    def settle(self, refused: Mapping[str, str]) -> None:
        """Record that everything was written, and that the owners in ``refused`` were closed instead."""
        self.changes += 1
        if refused == self.refused:
            return
        self.refused = dict(refused)
        wanted = self.everything().items()
        self._shares = Shares({owner: closed(own) if owner in refused else own for owner, own in wanted})

    def picture(self) -> Picture:
        """Return the elements that should be in the kernel now."""
        return Picture(self._shares.contents(), self.named(), self.changes)

    def named(self) -> Named:
        """Return the links of all networks whose names pynet did not choose, and who asks the resolver."""
        known = self._shares.named
        asked = frozenset(version for version, of in RESOLVED.items() if known[of])
        return Named(frozenset(known[BRIDGES]), frozenset(known[LANS]), asked)

    def names(self, *owners: str) -> bool:
        """Return whether ``owners`` have such links, or containers that ask."""
        return any(_named(element) for owner in owners for element in self._shares.of(owner))

    def put(self, owner: str, elements: Elements, locks: Sequence[LockName]) -> Change:
        """Replace the elements of ``owner``; ``locks`` name its network, otherwise its earlier one is kept."""
        network = next((name.identity for name in locks if name.kind == NETWORK), "")
        if not network and owner in self._owned:
            network = self._owned[owner].network
        self.refused.pop(owner, None)
        self._owned[owner] = Owned(elements, network)
        self.changes += 1
        return self._shares.give(owner, elements)

    def drop(self, *owners: str) -> Change:
        """Remove ``owners``."""
        self.changes += 1
        for owner in owners:
            self.refused.pop(owner, None)
            self._owned.pop(owner, None)
        return [element for owner in owners for element in self._shares.give(owner, ())[0]], []

    def put_docker(self, elements: Elements) -> Change:
        """Replace the elements of Docker's own bridges."""
        self.docker = elements
        self.changes += 1
        return self._shares.give(_DOCKER, elements)

    def check(self, owner: str, elements: Elements) -> None:
        """Check that ``owner`` can have ``elements``.

        Raises:
            KernelError: an element does not fit its set.
            Conflict: a key of a map leads elsewhere for another owner.
        """
        if why := misfit(elements):
            raise KernelError(why)
        if why := self._shares.claimed(owner, elements):
            raise Conflict(why)

    @contextmanager
    def attempt(self, *owners: str) -> Iterator[None]:
        """Restore ``owners`` and Docker's bridges if the block fails."""
        owned = {owner: self._owned[owner] for owner in owners if owner in self._owned}
        refused = {owner: why for owner, why in self.refused.items() if owner in owners}
        had, docker = {owner: self._shares.of(owner) for owner in owners}, self.docker
        try:
            yield
        except BaseException:
            self.drop(*owners)
            for owner in owners:
                self._shares.give(owner, had[owner])
            self.put_docker(docker)
            self._owned |= owned
            self.refused |= refused
            self._failed()
            raise


def judged(wanted: Mapping[str, Elements]) -> tuple[Shares, dict[str, str]]:
    """Return the elements that can be written, and the owners that are closed instead, and why.

    An element of theirs does not fit its set, or is a port of an earlier owner.
    """
    shares, refused = Shares(), dict[str, str]()
    for owner, elements in wanted.items():
        if why := misfit(elements) or shares.claimed(owner, elements):
            refused[owner] = why
        shares.give(owner, closed(elements) if why else elements)
    return shares, refused


def misfit(elements: Elements) -> str:
    """Return why the first element that does not fit its set cannot be written, or "" if all of them can."""
    return next((element.flaw for element in elements if element.flaw), "")


def _named(element: Element) -> Sequence[tuple[NamedSet, str]]:
    """Return the set and the bridge or place that ``element`` names, if other firewalls have to know it."""
    if element.of in RESOLVED.values():
        return [(element.of, element.text)]
    if element.of not in {BRIDGES, LANS} or is_own_bridge(element.values[0]):
        return ()
    return [(element.of, element.values[0])]


def _only_in(some: Elements, others: Elements) -> Iterable[Element]:
    """Return the elements of ``some`` that ``others`` lack, each once."""
    if some == others:
        return ()
    known = frozenset(others)
    return [element for element in dict.fromkeys(some) if element not in known]


def _sentence(element: Element, owner: str) -> str:
    """Say that a key has another owner, in words of ports; keys of other maps are links, which have one owner."""
    key = element.text.partition(" : ")[0]
    if not owner.startswith(PORTS_OF):
        return f"write '{key}' into nftables map '{element.of.name}': '{owner}' has it already"
    *address, proto, port = key.split(" . ")
    where, holder = "".join(address) or _EVERYWHERE[element.of], owner.removeprefix(PORTS_OF)[:12]
    return f"publish port {port}/{proto} on {where}: port is already allocated, to endpoint '{holder}'"
