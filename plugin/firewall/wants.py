"""The elements that each owner wants, and the elements that the kernel has as far as this process knows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from netlink.errors import KernelError
from netlink.nft_elements import Element
from plugin.errors import Conflict
from plugin.firewall.elements import docker_elements
from plugin.firewall.foreign_chains import own_names
from plugin.firewall.shares import Shares
from plugin.firewall.writing import closed, unfit
from plugin.model.elements import Elements, misfit
from plugin.request.locks import LockName

_DOCKER = "Docker's bridges"  # an owner
Change = tuple[list[Element], list[Element]]  # what to delete from the kernel, and what to add


@dataclass(frozen=True, slots=True)
class Owned:
    """The elements of an owner, and the locks of its network and endpoint, which the request that put it held.

    Owners that were loaded, or put outside of a request, have no locks.
    """

    elements: Elements
    locks: Sequence[LockName] = ()


class Wants:
    """The caller ensures that one thread at a time uses it.

    ``put`` and ``drop`` return the changes that the kernel needs. ``refused`` has the owners whose elements cannot be
    written, and the reasons; such an owner is closed.
    """

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.docker: frozenset[str] = frozenset()
        self._owned: dict[str, Owned] = {}
        self._shares = Shares()

    def __contains__(self, owner: str) -> bool:
        """Return whether ``owner`` was put, also without elements."""
        return owner in self._owned

    def __len__(self) -> int:
        """Return the number of owners, without Docker's bridges."""
        return len(self._owned)

    def owners(self) -> dict[str, Owned]:
        """Return the elements and locks of each owner."""
        return dict(self._owned)

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Replace the elements of all owners by ``wanted``, which is in the kernel."""
        self._owned = {owner: Owned(elements) for owner, elements in wanted.items()}
        self.refused = unfit(wanted)
        self.settle(self.refused)

    def everything(self) -> dict[str, Elements]:
        """Return all elements to write, by owner, with those of Docker's bridges."""
        return {owner: owned.elements for owner, owned in self._owned.items()} | {_DOCKER: docker_elements(self.docker)}

    def settle(self, refused: Mapping[str, str]) -> None:
        """Record that everything was written, and that the owners in ``refused`` were closed instead."""
        self.refused = dict(refused)
        wanted = self.everything().items()
        self._shares = Shares({owner: closed(own) if owner in refused else own for owner, own in wanted})

    def contents(self) -> Sequence[Elements]:
        """Return the elements that should be in the kernel, owner by owner."""
        return self._shares.contents()

    def names(self, *owners: str) -> set[str]:
        """Return the links of networks, of ``owners`` or of all, whose names pynet did not choose."""
        some = map(self._shares.of, owners) if owners else self._shares.contents()
        return {name for own in some for name in own_names(own)}

    def put(self, owner: str, elements: Elements, locks: Sequence[LockName]) -> Change:
        """Replace the elements of ``owner``; without ``locks`` keep its earlier ones."""
        if not locks and owner in self._owned:
            locks = self._owned[owner].locks
        self.refused.pop(owner, None)
        self._owned[owner] = Owned(elements, locks)
        return self._shares.give(owner, elements)

    def drop(self, *owners: str) -> Change:
        """Remove ``owners``."""
        for owner in owners:
            self.refused.pop(owner, None)
            self._owned.pop(owner, None)
        return [element for owner in owners for element in self._shares.give(owner, ())[0]], []

    def put_docker(self, names: frozenset[str]) -> Change:
        """Replace Docker's own bridges by ``names``."""
        self.docker = names
        return self._shares.give(_DOCKER, docker_elements(names))

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
            raise
