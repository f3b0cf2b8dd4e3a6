"""The verbs of netlink/ on a real kernel."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_interface

import pytest

from netlink.errors import Exists, KernelError, Missing
from netlink.kernel import Kernel
from netlink.links import Link
from netlink.monitor import LINKS, RULES, Monitor
from netlink.own_changes import OwnChanges
from netlink.request import Requests
from netlink.veth import VethPair
from tests.kernel.container import sh


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """Return the verbs in the namespace of the test; their handle is closed after it."""
    kernel = Kernel()
    yield kernel
    kernel.close()


def link(kernel: Kernel, name: str) -> Link:
    """Return a link that is there."""
    found = kernel.link(name)
    assert found is not None
    return found


# In a process of its own, whose modules are counted: a start, and a network with an endpoint that comes and goes.
LIFE = """
import sys
import cli.server.application
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pynet = Pynet()
pynet.driver.create_network(rq.network())
pynet.driver.create_endpoint(rq.endpoint())
pynet.driver.join(rq.join())
pynet.driver.program_external_connectivity(rq.program(0))
pynet.driver.delete_endpoint(rq.ENDPOINT)
pynet.end()
print("pyroute2" in sys.modules)
"""

PAIR = VethPair("pnh1", "pnc1", "02:42:0a:00:00:02", master="pn-1", mtu=1400)


def test_a_bridge_is_born_down_with_its_mac_and_mtu(kernel: Kernel) -> None:
    """One message makes a bridge that is down, with MAC and MTU, so that settings can be made before it is up."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    kernel.set_alias("pn-1", "pynet/network/abc")

    (bridge,) = [link for link in kernel.links() if link.name == "pn-1"]
    assert (bridge.kind, bridge.mac, bridge.mtu, bridge.up) == ("bridge", "02:00:00:00:00:01", 1400, False)
    assert bridge.alias == "pynet/network/abc"


def test_a_veth_pair_is_born_in_its_bridge(kernel: Kernel) -> None:
    """Both ends have the MTU, the peer has its MAC, the host end is in the bridge."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    kernel.add_veth(PAIR)

    links = {link.name: link for link in kernel.links()}
    assert links["pnh1"].master == links["pn-1"].index
    assert (links["pnh1"].mtu, links["pnc1"].mtu, links["pnc1"].mac) == (1400, 1400, PAIR.peer_mac)


def test_deleting_one_end_deletes_both(kernel: Kernel) -> None:
    """Deleting one end of a pair deletes both, and a second delete finds nothing."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)
    kernel.add_veth(PAIR)
    host = link(kernel, "pnh1")
    kernel.delete_link(host)

    assert not kernel.link_exists("pnc1")
    with pytest.raises(Missing, match="delete link 'pnh1': no such device"):
        kernel.delete_link(host)


def test_names_that_are_taken_say_so(kernel: Kernel) -> None:
    """EEXIST becomes Exists, with what was tried in the text."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)

    with pytest.raises(Exists, match="add bridge 'pn-1': file exists"):
        kernel.add_bridge("pn-1", "02:00:00:00:00:02", 1500)


@pytest.mark.parametrize("text", ["10.9.0.1/24", "fd00:9::1/64"])
def test_addresses_come_and_go(kernel: Kernel, text: str) -> None:
    """Addresses of both families are added and deleted; twice raises ``Exists`` or ``Missing``."""
    address = ip_interface(text)
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)
    kernel.add_address("pn-1", address)
    assert ("pn-1", address) in kernel.addresses()
    with pytest.raises(Exists):
        kernel.add_address("pn-1", address)
    kernel.delete_address("pn-1", address)

    with pytest.raises(Missing):
        kernel.delete_address("pn-1", address)


def test_settings_are_those_of_the_namespace(kernel: Kernel) -> None:
    """A sysctl that is written in this namespace reads back here."""
    kernel.write_setting("net/ipv4/ip_forward", "1")

    assert kernel.read_setting("net/ipv4/ip_forward") == "1"


def test_a_thread_keeps_its_handle(kernel: Kernel) -> None:
    """A thread's verbs work after one that the kernel refused, and after its handle was closed."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)
    with pytest.raises(Exists):
        kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)
    kernel.set_alias("pn-1", "x")
    kernel.close()
    kernel.delete_link(link(kernel, "pn-1"))

    assert not kernel.link_exists("pn-1")


def test_links_are_deleted_together(kernel: Kernel) -> None:
    """Links that are deleted together go with their peers, missing ones are passed over, and no other goes."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    kernel.add_bridge("pn-2", "02:00:00:00:00:02", 1400)
    kernel.add_veth(PAIR)
    gone = Link(99, "gone")
    kernel.delete_links([link(kernel, "pn-1"), gone, link(kernel, "pnh1")])
    kernel.delete_links([gone])

    assert {link.name for link in kernel.links()} == {"lo", "pn-2"}


class Watched(Requests):
    """Notes which links there are before each request."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[set[str]] = []

    def send(self, request: bytes) -> None:
        """Note them, and send the request."""
        self.seen.append({name for _, name in socket.if_nameindex()} - {"lo"})
        super().send(request)


def test_bridges_are_deleted_one_at_a_time(kernel: Kernel) -> None:
    """Each bridge has a deletion of its own, as the kernel waits for each, and others have their turn in between."""
    for name in ("pn-1", "pn-2"):
        kernel.add_bridge(name, "02:00:00:00:00:01", 1400)
    kernel.add_veth(PAIR)
    requests = Watched()
    links = [link(kernel, name) for name in ("pn-1", "pnh1", "pn-2")]
    Kernel(requests=requests).delete_links(links)
    requests.close()

    assert requests.seen == [{"pn-1", "pn-2", "pnh1", "pnc1"}, {"pn-1", "pn-2"}, {"pn-2"}]


def test_a_link_that_cannot_be_deleted_holds_up_no_other(kernel: Kernel) -> None:
    """A link that cannot be deleted is named, the others are deleted, and the next deletion works."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    with pytest.raises(KernelError, match="delete link 'lo': operation not supported"):
        kernel.delete_links([link(kernel, "lo"), link(kernel, "pn-1")])
    assert [(found.name, found.group) for found in kernel.links()] == [("lo", 0)]
    kernel.add_bridge("pn-2", "02:00:00:00:00:02", 1400)
    kernel.delete_links([link(kernel, "pn-2")])

    assert [found.name for found in kernel.links()] == ["lo"]


def test_a_link_that_took_the_name_is_not_deleted(kernel: Kernel) -> None:
    """A link with the name of one that is gone already is not deleted, as links are known by their index."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    old = link(kernel, "pn-1")
    sh("ip link del pn-1; ip link add pn-1 type bridge")
    kernel.delete_links([old])
    with pytest.raises(Missing):
        kernel.delete_link(old)

    assert link(kernel, "pn-1").index != old.index


def test_the_listing_agrees_with_ip(kernel: Kernel) -> None:
    """Three hundred links are listed completely: the dump takes several messages."""
    sh("for i in $(seq 150); do echo link add v$i type veth peer name w$i; done | ip -batch -")

    assert len(kernel.links()) == len(sh("ip -o link").splitlines()) == 301


def test_the_kernel_lists_bridges_alone_and_the_ports_of_one(kernel: Kernel) -> None:
    """Listings with a condition have the links that fulfil it, as the listing of all shows them."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1400)
    kernel.add_bridge("pn-2", "02:00:00:00:00:02", 1400)
    kernel.add_veth(PAIR)

    first, second = link(kernel, "pn-1"), link(kernel, "pn-2")
    assert kernel.links(kind="bridge") == [first, second]
    assert kernel.links(master=first.index) == [link(kernel, "pnh1")]
    assert kernel.links(master=second.index) == []


def test_the_monitor_hears_bridges_and_their_ports_only() -> None:
    """A new bridge rings, a veth pair of its own does not; a change of nftables rings too."""
    with Monitor(
        "pynet", changes=OwnChanges(), prefixes=["pn-"], is_own=lambda _: False, is_bridge=lambda _: False
    ) as monitor:
        sh("ip link add v0 type veth peer name w0")
        heard_veth = monitor.wait(0.2)
        while monitor.wait(0.1):
            pass
        sh("ip link add br-x type bridge")
        assert not heard_veth
        assert monitor.wait(5) == {LINKS}
        sh("nft add table ip x")
        assert not monitor.wait(0.2)
        sh("nft add table ip pynet")
        assert monitor.wait(5) == {RULES}


def test_no_start_and_no_request_loads_pyroute2() -> None:
    """It takes 110 ms and 22 MB."""
    done = subprocess.run([sys.executable, "-c", LIFE], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "False"


def test_what_others_changed_on_a_link_is_put_right(kernel: Kernel) -> None:
    """Alias, MTU and bridge of a port are set as they should be."""
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)
    sh("ip link add pnh1 type veth peer name pnc1")
    kernel.set_alias("pnh1", "pynet/endpoint/abc")
    kernel.set_mtu("pnh1", 1400)
    kernel.set_master("pnh1", "pn-1")

    port = link(kernel, "pnh1")
    assert (port.alias, port.mtu, port.master) == ("pynet/endpoint/abc", 1400, link(kernel, "pn-1").index)


def test_a_refused_repair_is_an_error_of_the_kernel(kernel: Kernel) -> None:
    """Its text says what was tried and why it failed, although pyroute2 has errors of its own."""
    with pytest.raises(Missing, match="set MTU of 'pn-1' to 1400: there is no link 'pn-1'"):
        kernel.set_mtu("pn-1", 1400)
    kernel.add_bridge("pn-1", "02:00:00:00:00:01", 1500)

    with pytest.raises(KernelError, match="set MTU of 'pn-1' to 20: invalid argument"):
        kernel.set_mtu("pn-1", 20)
