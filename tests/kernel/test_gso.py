"""Packets above 64 kB on a real kernel: who takes them, what passes, and what is repaired."""

import ctypes
import select
import socket
import struct
import threading
from contextlib import closing

import pytest

from netlink.kernel import Kernel
from netlink.uapi import SO_ATTACH_FILTER
from plugin.host.packet_size import BIG
from plugin.model.findings import LinkChanged
from plugin.model.records import Network
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet, connect
from tests.kernel.rates import inside
from tests.kernel.test_publish import br_netfilter
from tests.unit import requests as rq

BRIDGE, PORT, SMALL = "pn-a1a1a1a1a1a1", "pnh020202020202", 65536
GATEWAYS = ("10.9.0.1/24", "fd00:9::1/64")
ETH_P_ALL, HEADERS = 3, 200  # bytes beside the payload of a frame, at most
LOAD = bytes(32 << 20)
OP, FPROG = struct.Struct("=HBBI"), struct.Struct("@HP")  # struct sock_filter, struct sock_fprog (linux/filter.h)
# Load the length; if it is greater than the limit, take one byte of the frame, else nothing.
ABOVE = OP.pack(0x80, 0, 0, 0) + OP.pack(0x25, 0, 1, SMALL + HEADERS) + OP.pack(0x06, 0, 0, 1) + OP.pack(0x06, 0, 0, 0)


def attached(pynet: Pynet, containers: list[Container], **options: str) -> list[Container]:
    """Two containers on an internal network with both families and these options of pynet's own."""
    containers += [Container(), Container()]
    own = {f"pynet.{key}": value for key, value in options.items()}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *GATEWAYS, internal=True, options=own))
    for number, container in enumerate(containers):
        pynet.attach(container, rq.NETWORK_ID, number + 2)
    return containers


def sizes(link: str) -> tuple[int, int]:
    """Return how much a link of this namespace sends in one piece, and how much it joins on arrival."""
    with closing(Kernel()) as kernel:
        found = kernel.link(link)
    shown = sh(f"ip -d link show {link}")
    return found.gso if found else 0, int(shown.partition("gro_max_size ")[2].split()[0])


def large_frames(sender: Container, receiver: Container, address: str) -> bool:
    """Send a load from one container to another; return whether the sender's port saw frames above 64 kB."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = inside(receiver, lambda: socket.create_server((address, 7000), family=family))
    with server, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as capture:
        code = ctypes.create_string_buffer(ABOVE, len(ABOVE))
        capture.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, FPROG.pack(len(ABOVE) // 8, ctypes.addressof(code)))
        capture.bind((PORT, ETH_P_ALL))
        client = inside(sender, lambda: socket.create_connection((address, 7000), 5))
        with client, server.accept()[0] as connection:
            pump = threading.Thread(target=client.sendall, args=(LOAD,))
            pump.start()
            rest = len(LOAD)
            while rest:
                rest -= len(connection.recv(1 << 20))
            pump.join()
        return bool(select.select([capture], [], [], 0)[0])


def test_both_ends_and_the_bridge_take_large_packets(pynet: Pynet, containers: list[Container]) -> None:
    """Both ends of a pair have the size, also the one that was moved into the container, renamed and set up."""
    one, _ = attached(pynet, containers)

    assert (sizes(PORT), sizes(BRIDGE)) == ((BIG, BIG), (BIG, BIG))
    assert inside(one, lambda: sizes("eth0")) == (BIG, BIG)
    assert pynet.survey.look((), idle=True)[1] == []


def test_off_leaves_the_sizes_of_the_kernel(pynet: Pynet, containers: list[Container]) -> None:
    """With pynet.gso=off every link has the kernel's own size, and nothing wants another."""
    one, _ = attached(pynet, containers, gso="off")

    assert [sizes(PORT), sizes(BRIDGE), inside(one, lambda: sizes("eth0"))] == [(SMALL, SMALL)] * 3
    assert pynet.survey.look((), idle=True)[1] == []


@pytest.mark.parametrize("bridged", ["0", "1"])
@pytest.mark.parametrize("address", ["10.9.0.3", "fd00:9::3"])
@pytest.mark.parametrize("gso", ["on", "off"])
def test_a_packet_above_64_kb_passes_in_one_piece(
    pynet: Pynet, containers: list[Container], gso: str, address: str, bridged: str
) -> None:
    """Guarded containers exchange packets above 64 kB in both families, with br_netfilter and without."""
    one, two = attached(pynet, containers, gso=gso)
    br_netfilter(bridged)
    try:
        passed = large_frames(one, two, address)
    finally:
        br_netfilter("0")

    assert passed == (gso == "on")


@pytest.mark.parametrize("link", [BRIDGE, PORT])
def test_a_size_that_somebody_changed_is_repaired(pynet: Pynet, containers: list[Container], link: str) -> None:
    """The host's end and the bridge get their size back; a larger one is left."""
    attached(pynet, containers)
    sh(f"ip link set {link} gso_max_size {SMALL}")
    found = [finding for finding in pynet.survey.look((), idle=True)[1] if isinstance(finding, LinkChanged)]
    pynet.reconciler.reconcile()

    assert [(each.link, each.found, each.wanted) for each in found] == [(link, str(SMALL), str(BIG))]
    assert sizes(link) == (BIG, BIG)
    pynet.kernel.set_gso(link, 2 * BIG)
    assert pynet.survey.look((), idle=True)[1] == []


def test_a_port_of_64_kb_in_the_bridge_disturbs_nothing(pynet: Pynet, containers: list[Container]) -> None:
    """The kernel refuses the bridge the size then: containers still come up, and there is nothing to repair."""
    one, two = attached(pynet, containers)
    sh(f"ip link add name vx type vxlan id 7 dstport 4789 local 127.0.0.1; ip link set vx master {BRIDGE}")
    third = Container()
    containers.append(third)
    pynet.attach(third, rq.NETWORK_ID, 4)

    assert sizes(BRIDGE)[0] == SMALL
    assert pynet.survey.look((), idle=True)[1] == []
    assert third.reaches("10.9.0.2")
    assert large_frames(one, two, "10.9.0.3")


@pytest.mark.parametrize(("raised", "chosen"), [("", 0), ("out0", BIG)])
def test_a_network_with_a_way_out_follows_the_uplinks(
    pynet: Pynet, containers: list[Container], raised: str, chosen: int
) -> None:
    """`auto` is on if the link of the default routes takes large packets; a trusted link that does not turns it off."""
    containers.append(Container())
    connect(containers[0])
    sh("ip route add default via 192.0.2.9; ip -6 route add default via 2001:db8::9; ip link add small type bridge")
    if raised:
        pynet.kernel.set_gso(raised, BIG)
    trusted = {"com.docker.network.bridge.trusted_host_interfaces": "small"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", options=trusted))

    assert pynet.kernel.uplinks() == {"out0"}
    found = {item.record.id: item.record.gso for item in pynet.store.list(Network)}
    assert found == {rq.NETWORK_ID: chosen, rq.OTHER_ID: 0}


def test_a_users_bridge_keeps_its_size(pynet: Pynet, containers: list[Container]) -> None:
    """With `on` the containers' links on a user's bridge are large; the bridge itself is left as it is."""
    sh("ip link add br-mine type bridge; ip link set br-mine up")
    mine = {"com.docker.network.bridge.name": "br-mine", "pynet.gso": "on"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", internal=True, options=mine))
    containers.append(Container())
    pynet.attach(containers[0], rq.NETWORK_ID, 2)

    assert (sizes("br-mine")[0], sizes(PORT)[0]) == (SMALL, BIG)
    assert pynet.survey.look((), idle=True)[1] == []
