"""A host that refuses IPv6: the other family works, what has only IPv6 is refused with the reason."""

from ipaddress import IPv4Interface, IPv6Interface

import pytest
import structlog.testing

from netlink.errors import Denied, Missing
from plugin.errors import Unsupported
from plugin.model.names import bridge_name
from plugin.model.records import Network
from tests.fake_sockets import Steps
from tests.fakes import FakeKernel, World
from tests.unit import requests as rq

BRIDGE = bridge_name(rq.NETWORK_ID)
SWITCH = f"net/ipv6/conf/{BRIDGE}/disable_ipv6"


class RefusingKernel(FakeKernel):
    """Takes no IPv6 address while it ``refuses``; ``lacking`` IPv6 it has no settings of it either."""

    def __init__(self, *, lacking: bool) -> None:
        super().__init__(Steps())
        self.refuses, self.lacking = True, lacking

    def add_address(self, name: str, address: IPv4Interface | IPv6Interface) -> None:
        if self.refuses and address.version == 6:
            raise Denied(f"add address {address} to '{name}': permission denied")
        super().add_address(name, address)

    def read_setting(self, path: str) -> str:
        if self.refuses and "net/ipv6/" in path and self.lacking:
            raise Missing(f"read setting '{path}': no such file or directory")
        return "1" if self.refuses and path.endswith("disable_ipv6") else super().read_setting(path)


@pytest.mark.parametrize(("lacking", "why"), [(True, "ipv6.disable=1"), (False, f"'{SWITCH}' was 1")])
def test_ipv4_works_where_ipv6_is_refused(lacking: bool, why: str) -> None:
    """At the creation and after a reboot; one line of the log names the setting, and repairs go on until it works."""
    kernel = RefusingKernel(lacking=lacking)
    world = World(kernel)
    with structlog.testing.capture_logs() as lines:
        world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
        kernel.delete_link(kernel.by_name[BRIDGE])
        world.reconciler.recover()
    reasons = [line["reason"] for line in lines if line["event"] == "network without IPv6"]
    given = {str(address) for _, address in kernel.assigned}
    kernel.refuses = False
    world.reconciler.reconcile()

    assert (len(reasons), given) == (2, {"10.9.0.1/24"})
    assert all(why in reason for reason in reasons)
    assert {str(address) for _, address in kernel.assigned} == {"10.9.0.1/24", "fd00:9::1/64"}


def test_a_network_of_ipv6_alone_is_refused_with_the_reason() -> None:
    """And nothing of it is left."""
    world = World(RefusingKernel(lacking=False))
    with pytest.raises(Unsupported, match=f"no subnet but of IPv6.*permission denied, '{SWITCH}' was 1"):
        world.driver.create_network(rq.network(rq.NETWORK_ID, "fd00:9::1/64"))

    assert world.store.list(Network) == []
    assert not world.kernel.link_exists(BRIDGE)


def test_a_repair_that_the_host_refuses_names_the_setting() -> None:
    """The address goes while IPv6 is off for good; ``pynet status`` says why it does not come back."""
    kernel = RefusingKernel(lacking=False)
    kernel.refuses = False
    world = World(kernel)
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    kernel.delete_address(BRIDGE, IPv6Interface("fd00:9::1/64"))
    kernel.refuses = True
    world.reconciler.reconcile()

    assert any(SWITCH in repair.error for repair in world.reconciler.status().failing)
