"""The removals of a garbage collector with the engine's API."""

from collections.abc import Mapping
from typing import Any

from plugin.cluster.addresses.records import SPACE
from tests.torture import scenarios as sc
from tests.torture.engine import DRIVER, IPAM, THE_POOL, Call, Engine


def removal(engine: Engine, kind: str, key: str, body: Mapping[str, Any]) -> Call | None:
    """Return the call that removes the object of a record, if the engine does not know it."""
    if kind.startswith("cluster-"):
        return _of_cluster(engine, kind, body)
    if kind == "network" and key not in engine.networks:
        return Call(f"{DRIVER}DeleteNetwork", {"NetworkID": key})
    if kind in {"endpoint", "dhcp-lease"} and key.partition("/")[2] not in engine.endpoints:
        return sc.of("DeleteEndpoint", key.partition("/")[2], body["network_id"])
    if kind == "pool" and key not in engine.pools:
        return Call(f"{IPAM}ReleasePool", {"PoolID": key})
    if kind == "lease" and (body["pool_id"], body["address"]) not in engine.leases:
        return sc.release(body["address"], body["pool_id"])
    return None


def _of_cluster(engine: Engine, kind: str, body: Mapping[str, Any]) -> Call | None:
    if kind == "cluster-pool-use" and (use := f"{SPACE}/{body['pool_id']}/{body['token']}") not in engine.pools:
        return Call(f"{IPAM}ReleasePool", {"PoolID": use})
    if kind == "cluster-lease" and body["address"] not in [address for _, address in engine.leases]:
        return sc.release(body["address"], THE_POOL)
    return None
