"""A driver on the kernel of a test, and the engine's use of its answers."""

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import cast

from cli.server import wiring
from netlink.conntrack import Conntrack
from netlink.direct_routes import DirectRoutes
from netlink.kernel import Kernel
from netlink.monitor import Monitor
from netlink.nftables import Nftables, open_runner
from netlink.own_changes import GONE, MADE, SET, OwnChanges
from netlink.port_sockets import PortSockets
from netlink.relay import Relay
from netlink.request import Requests
from netlink.route_monitor import RouteMonitor
from netlink.routes import HostNetworks
from netlink.vxlan import Vxlan
from plugin.cluster.overlay.presence import ClusterView
from plugin.cluster.secrecy.means import Means
from plugin.model.link_owner import Owner
from plugin.model.names import SHIM, is_own_bridge, shim_name
from plugin.model.records import Network, Tombstone
from plugin.modes.registry import link_prefixes
from plugin.policy.lookup import Dns
from plugin.policy.names import AskDns
from plugin.protocol.messages import (
    CreateEndpoint,
    EndpointOptions,
    EndpointRef,
    Interface,
    Join,
    NetworkRef,
    PortBinding,
    ProgramExternalConnectivity,
)
from plugin.request.locks import Locks
from plugin.store.base import LocalStore
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh

RESOLVER = ip_address("192.0.2.53")  # that the engine would ask for containers


class Pynet(wiring.Pynet):
    """pynet on this test's kernel, and what the engine does with its answers."""

    def __init__(
        self,
        store: LocalStore | None = None,
        memory: dict[str, float] | None = None,
        requests: Requests | None = None,
        nft: Nftables | None = None,
        name: str = "pynet",
        cluster: ClusterView | None = None,
        *,
        ask_dns: AskDns | None = None,
        servers: Sequence[str] = (),
        means: Means | None = None,
    ) -> None:
        self.name = name
        self.changes = OwnChanges(memory or dict.fromkeys((MADE, GONE, SET), 0.0))
        self.store, self.locks = store or MemoryStore(), Locks()
        self.kernel = Kernel(Owner(name).group, self.changes, requests)
        self.nft, self.tunnels, self.relay = nft or Nftables(open_runner()), Vxlan(), Relay()
        self.direct = DirectRoutes(self.changes)
        host = wiring.Host(
            kernel=self.kernel,
            nft=self.nft,
            tunnels=self.tunnels,
            routes=self.direct,
            sockets=PortSockets(self.relay),
            conntrack=Conntrack(),
            networks=HostNetworks(),
            store=self.store,
            locks=self.locks,
            cluster=cluster,
            ask_dns=ask_dns or Dns(),
            resolvers=lambda: [RESOLVER],
            servers=lambda: servers,
            means=means or Means(),
        )
        super().__init__(name, host, linger=0)

    def attach(
        self, container: Container, network_id: str, number: int, endpoint: str = "", **driver_opts: str
    ) -> EndpointRef:
        """Create an endpoint with the address .NUMBER (and ::NUMBER), and move its link as the engine does.

        ``driver_opts`` are pynet's own options, without the beginning of their keys.
        """
        known = self.store.get(Network, network_id)
        assert known is not None
        addresses = [ip_interface(f"{s.pool[number]}/{s.pool.prefixlen}") for s in known.record.subnets]
        own = {address.version: address for address in addresses}
        reference = EndpointRef(network_id, endpoint or f"{number:02x}" * 32)
        interface = Interface(cast("IPv4Interface", own[4]), cast("IPv6Interface | None", own.get(6)))
        options = EndpointOptions(driver_opts={f"pynet.{key}": value for key, value in driver_opts.items()})
        self.driver.create_endpoint(CreateEndpoint(network_id, reference.endpoint_id, interface, options))
        reply = self.driver.join(Join(network_id, reference.endpoint_id, f"/proc/{container.pid}/ns/net"))
        routes = [
            f"ip -{router.version} route add default via {router}"
            for router in (reply.gateway, reply.gateway_ipv6)
            if router
        ]
        routes += [
            f"ip -{route.destination.version} route add {route.destination} dev eth0"
            for route in reply.static_routes
            if route.next_hop is None
        ]
        container.take(reply.src_name, *(f"ip addr add {address} dev eth0 nodad" for address in addresses), *routes)
        return reference

    def monitor(self) -> Monitor:
        """Hear what the watcher hears."""
        return Monitor(
            self.name,
            "FORWARD",
            is_own=self.nft.is_own,
            changes=self.changes,
            prefixes=link_prefixes(self.modes),
            is_bridge=lambda name: is_own_bridge(name) or self.firewall.owns(name),
            routes=RouteMonitor(SHIM, partial(shim_name, self.name), self.changes, self.parts.parents.known),
        )

    def close(self) -> None:
        """Close what belongs to threads."""
        self.publisher.close()
        self.relay.close()
        self.tunnels.close()
        self.direct.close()
        self.nft.close()
        self.kernel.close()

    def publish(self, reference: EndpointRef, *ports: str, proto: int = 6) -> None:
        """Publish port 7777 of an endpoint as ``-p`` would: "8080", "127.0.0.1:8080", "[::1]:8080"."""
        bindings = []
        for port in ports:
            address, _, number = port.rpartition(":")
            bindings.append(PortBinding(proto, 7777, host_ip=address.strip("[]"), host_port=int(number)))
        options = EndpointOptions(port_map=tuple(bindings))
        request = ProgramExternalConnectivity(reference.network_id, reference.endpoint_id, options)
        self.driver.program_external_connectivity(request)

    def end(self) -> None:
        """Delete every network, and do at once what happens in the background."""
        for item in self.store.list(Network):
            self.driver.delete_network(NetworkRef(item.record.id))
        for tombstone in self.store.list(Tombstone):
            self.reaper.clear(tombstone.record.link)
        self.firewall.heal()


def connect(outside: Container) -> None:
    """Make ``outside`` a machine on a network of the host's, without a route to any container."""
    sh(f"ip link add out0 type veth peer name in0; ip link set in0 netns {outside.pid}")
    sh("ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad; ip link set out0 up")
    outside.sh("ip addr add 192.0.2.9/24 dev in0; ip addr add 2001:db8::9/64 dev in0 nodad; ip link set in0 up")
