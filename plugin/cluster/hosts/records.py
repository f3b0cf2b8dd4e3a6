"""Records of the hosts of a cluster: this host's identity in its own store, the others in the cluster store."""

from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import record_flaw
from plugin.protocol.messages import Address


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """In the host's own store: its id, made once, and the address at which other hosts reached it last."""

    kind: ClassVar[str] = "host-identity"

    id: str
    address: Address | None = None

    @property
    def key(self) -> str:
        """The same for all, as there is only one."""
        return "self"


@dataclass(frozen=True, slots=True)
class ClusterHost:
    """A host that is alive: the record vanishes when its pynet has not renewed it for ``membership.LEASE`` seconds.

    Other hosts reach it at ``address``; its pynet was ``started`` then (seconds since 1970, by its clock).
    """

    kind: ClassVar[str] = "cluster-host"
    vanishing: ClassVar[bool] = True  # the server removes it, without a transaction

    id: str
    name: str
    address: Address
    started: int

    @property
    def key(self) -> str:
        return self.id

    @property
    def flaw(self) -> str:
        return record_flaw(self, "id")


@dataclass(frozen=True, slots=True)
class HostTakeover:
    """The host ``by`` releases, or has released, what a dead ``host`` holds in a network; ``token`` is of one attempt.

    Every removal of a takeover expects this record. A host that returns removes it, which ends the takeover.
    """

    kind: ClassVar[str] = "cluster-takeover"

    host: str
    network: str
    by: str
    token: str

    @property
    def key(self) -> str:
        return f"{self.host}/{self.network}"

    @property
    def flaw(self) -> str:
        return record_flaw(self, "host", "network", "by")


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host that was alive once and was not forgotten: the name and address of a host that is dead."""

    kind: ClassVar[str] = "cluster-known-host"

    id: str
    name: str
    address: Address

    @property
    def host(self) -> str:
        """The host's id, named as in all kinds that are removed with a host."""
        return self.id

    @property
    def key(self) -> str:
        return self.id

    @property
    def flaw(self) -> str:
        return record_flaw(self, "id")
