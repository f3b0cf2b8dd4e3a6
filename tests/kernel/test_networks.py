"""The whole driver on a real kernel, with namespaces in the place of containers."""

import pytest

from netlink.kernel import Kernel
from netlink.nftables import Nftables, open_runner
from plugin.driver import Driver
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.locks import Locks
from plugin.messages import CreateEndpoint, EndpointRef, Interface, Join, NetworkRef
from plugin.model import Tombstone
from plugin.modes.bridge import BridgeMode
from plugin.reaper import Reaper
from plugin.store.memory import MemoryStore
from tests.kernel.conftest import Container, sh
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]


class Pynet:
    """A driver on this test's kernel, and what the engine does with its answers."""

    def __init__(self) -> None:
        self.store, self.kernel, self.locks = MemoryStore(), Kernel(), Locks()
        self.firewall = Firewall(Nftables(open_runner()), "pynet")
        settings = HostSettings(self.kernel, self.store)
        self.reaper = Reaper(self.kernel, self.firewall, self.store, self.locks)
        self.driver = Driver(
            kernel=self.kernel,
            store=self.store,
            modes={"bridge": BridgeMode(self.kernel, self.firewall, settings, "pynet")},
            settings=settings,
            reaper=self.reaper,
            locks=self.locks,
        )

    def attach(self, container: Container, network_id: str, number: int) -> EndpointRef:
        """Create an endpoint with the address .NUMBER, and move its link as the engine does."""
        subnet = self.store.get_network(network_id).subnets[0].pool
        address = type(rq.ipam("10.0.0.1/24").gateway)(f"{subnet[number]}/{subnet.prefixlen}")
        reference = EndpointRef(network_id, f"{number:02x}" * 32)
        self.driver.create_endpoint(CreateEndpoint(network_id, reference.endpoint_id, Interface(address=address)))
        reply = self.driver.join(Join(network_id, reference.endpoint_id, f"/proc/{container.pid}/ns/net"))
        route = f"ip route add default via {reply.gateway}" if reply.gateway else "true"
        container.take(reply.src_name, f"ip addr add {address} dev eth0", route)
        return reference
