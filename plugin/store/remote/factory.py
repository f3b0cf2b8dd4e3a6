"""The one place that knows the kinds of cluster stores; each is loaded only when it is asked for."""

from plugin.store.base import ClusterStore
from plugin.store.remote.address import Access, StoreAddress


def open_cluster_store(address: StoreAddress, access: Access) -> ClusterStore:
    """Return a store; no server is asked before the first use.

    Raises:
        InvalidRequest: a certificate cannot be read.
    """
    if address.scheme == "zookeeper":
        from plugin.store.remote.zookeeper.store import ZooKeeperStore

        return ZooKeeperStore(address, access)
    if address.scheme == "consul":
        from plugin.store.remote.consul.store import ConsulStore

        return ConsulStore(address, access)
    from plugin.store.remote.etcd.store import EtcdStore

    return EtcdStore(address, access)
