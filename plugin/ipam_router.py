"""The address manager that the engine sees: one manager serves pools of this host, another the shared ones."""

from typing import TYPE_CHECKING

from plugin.cluster.addresses.records import SPACE, Reserved
from plugin.errors import NotFound, Unsupported
from plugin.ipam.driver import Ipam
from plugin.model.records import Lease, Pool
from plugin.options.pool import SharedPoolSettings
from plugin.protocol import messages as m

if TYPE_CHECKING:
    from plugin.cluster.addresses.driver import ClusterAddresses

NETWORK = SharedPoolSettings.network


class IpamRouter:
    """Implements ``api.IpamDriver``. With ``pynet.network`` the pool is shared; later requests name its id."""

    def __init__(self, local: Ipam, shared: "ClusterAddresses | None") -> None:
        self._local = local
        self._shared = shared

    def get_capabilities(self) -> m.IpamCapabilities:
        """Return the capabilities of the local manager."""
        return self._local.get_capabilities()

    def get_default_address_spaces(self) -> m.AddressSpaces:
        """Return the spaces of the local manager: the engine asks for all pools in one space."""
        return self._local.get_default_address_spaces()

    def request_pool(self, request: m.RequestPool) -> m.PoolReply:
        """Reserve a pool; raises ``Unsupported`` for a shared one without a cluster store."""
        if not request.options.get(NETWORK.key):
            return self._local.request_pool(request)
        if self._shared is None:
            raise Unsupported(f"option '{NETWORK.key}' needs a store that the hosts share, and PYNET_STORE names none")
        return self._shared.request_pool(request)

    def release_pool(self, request: m.ReleasePool) -> None:
        if not _is_shared(request.pool_id):
            self._local.release_pool(request)
        elif self._shared is not None:
            self._shared.release_pool(request)

    def request_address(self, request: m.RequestAddress) -> m.AddressReply:
        """Reserve an address; raises ``NotFound`` for a shared pool without a cluster store."""
        if not _is_shared(request.pool_id):
            return self._local.request_address(request)
        if self._shared is None:
            raise NotFound(f"request an address of pool '{request.pool_id}': PYNET_STORE names no store any more")
        return self._shared.request_address(request)

    def release_address(self, request: m.ReleaseAddress) -> None:
        if not _is_shared(request.pool_id):
            self._local.release_address(request)
        elif self._shared is not None:
            self._shared.release_address(request)

    def forget(self, record: Reserved, revision: int) -> bool:
        """Give back a pool or address that the engine does not know; return False if it is not at ``revision``."""
        if isinstance(record, Pool | Lease):
            return self._local.forget(record, revision)
        return self._shared is not None and self._shared.forget(record, revision)


def _is_shared(pool_id: str) -> bool:
    return pool_id.startswith(f"{SPACE}/")
