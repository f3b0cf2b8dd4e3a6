"""Records of the hosts of a cluster: this host's identity in its own store, the others in the cluster store."""

from dataclasses import dataclass
from typing import ClassVar

from plugin.model.flaws import first, name_flaw, text_flaw
from plugin.protocol.messages import Address


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """Who this host is, in its own store: made once, and the address at which it was reached last."""

    kind: ClassVar[str] = "host-identity"

    id: str
    address: Address | None = None

    @property
    def key(self) -> str:
        """There is one."""
        return "self"


@dataclass(frozen=True, slots=True)
class ClusterHost:
    """A host that is alive: the record vanishes when its pynet has not renewed it for ``membership.LEASE`` seconds.

    ``address`` is where other hosts reach it, ``started`` when its pynet was started (seconds since 1970, its clock).
    """

    kind: ClassVar[str] = "cluster-host"
    vanishing: ClassVar[bool] = True  # without a transaction

    id: str
    name: str
    address: Address
    started: int

    @property
    def key(self) -> str:
        """The host's id."""
        return self.id

    @property
    def flaw(self) -> str:
        """What cannot be in it."""
        return first(text_flaw(self), name_flaw("id", self.id))


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host that once was alive and was not forgotten, so that a dead one has a name and an address."""

    kind: ClassVar[str] = "cluster-known-host"

    id: str
    name: str
    address: Address

    @property
    def host(self) -> str:
        """The host whose record this is, as for all kinds that a forgotten host leaves."""
        return self.id

    @property
    def key(self) -> str:
        """The host's id."""
        return self.id

    @property
    def flaw(self) -> str:
        """What cannot be in it."""
        return first(text_flaw(self), name_flaw("id", self.id))
