"""Held ports on a real kernel."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address

import pytest

from netlink.errors import Exists, Missing
from netlink.listeners import addresses_of, listening
from netlink.port_sockets import PortSockets
from netlink.relay import Relay

ANY, ANY6 = IPv4Address(0), IPv6Address(0)
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP


@pytest.fixture
def sockets() -> Iterator[PortSockets]:
    """Return what holds ports, with a relay that is closed after the test."""
    relay = Relay()
    yield PortSockets(relay)
    relay.close()


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_one_socket_holds_both_families(sockets: PortSockets, proto: int) -> None:
    """One socket holds the port for both families until it is released."""
    hold = sockets.hold(proto, ANY6, 8080, dual=True)
    for address in (ANY, ANY6, IPv4Address("127.0.0.1")):
        with pytest.raises(Exists, match="hold port 8080"):
            sockets.hold(proto, address, 8080)
    sockets.release([hold])
    sockets.release([sockets.hold(proto, ANY, 8080)])


def test_families_can_be_held_apart(sockets: PortSockets) -> None:
    """One port number can be held for IPv4 and IPv6 separately, as for two containers."""
    sockets.release([sockets.hold(TCP, ANY, 8080), sockets.hold(TCP, ANY6, 8080)])


def test_a_deaf_port_does_not_answer(sockets: PortSockets) -> None:
    """A port that is only held neither accepts nor refuses a client that gets past the translation."""
    hold = sockets.hold(TCP, ANY, 0)
    with socket.socket() as client, pytest.raises(TimeoutError):
        client.settimeout(0.3)
        client.connect(("127.0.0.1", hold.port))
    sockets.release([hold])


def test_an_address_of_another_host_is_missing(sockets: PortSockets) -> None:
    """Holding a port on an address that the host lacks raises ``Missing``."""
    with pytest.raises(Missing):
        sockets.hold(TCP, IPv4Address("192.0.2.1"), 8080)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_who_has_a_port_is_known_by_address(sockets: PortSockets, kind: socket.SocketKind) -> None:
    """The addresses with a port in use are known, also IPv4 through IPv6 sockets; other protocols do not count."""
    taken = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.2")]
    with ExitStack() as stack:
        for family, address in taken:
            sock = stack.enter_context(socket.socket(family, kind))
            sock.bind((address, 8080))
            if kind == socket.SOCK_STREAM:
                sock.listen()
        proto, other = (TCP, UDP) if kind == socket.SOCK_STREAM else (UDP, TCP)

        assert set(map(str, sockets.users(proto, 8080))) == {"127.0.0.1", "::1", "127.0.0.2"}
        assert not set(sockets.users(other, 8080)) | set(sockets.users(proto, 8081))


def test_sctp_needs_no_socket_where_the_kernel_has_none(sockets: PortSockets) -> None:
    """Without SCTP in the kernel, ports of SCTP are published without a socket."""
    holds = [sockets.hold(socket.IPPROTO_SCTP, ANY, port) for port in (8080, 0)]

    assert holds[0].port == 8080
    assert holds[1].port > 1023
    sockets.release(holds)


def test_held_sockets_are_counted_and_limited(sockets: PortSockets) -> None:
    """A port that was refused does not count; the most that can be held leaves a quarter of the files for others."""
    holds = [sockets.hold(TCP, ANY, 8080), sockets.hold(TCP, ANY6, 8081, dual=True)]
    with pytest.raises(Exists):
        sockets.hold(TCP, ANY, 8080)
    assert sockets.held == len(holds)
    sockets.release(holds)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    most = sockets.most
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (sockets.held, most) == (0, 750)


def test_the_users_of_a_port_are_those_that_proc_lists(sockets: PortSockets) -> None:
    """Of each family and protocol; a connected socket and one of another port are no users."""
    holds = [sockets.hold(proto, ANY6, 8080, dual=True) for proto in (TCP, UDP)]
    holds.append(sockets.hold(UDP, IPv6Address("::1"), 8082))
    with socket.create_server(("127.0.0.1", 8081)), socket.create_connection(("127.0.0.1", 8081)):
        for proto, port in ((TCP, 8080), (UDP, 8080), (TCP, 8081), (UDP, 8082), (UDP, 8081)):
            listed = {address for used, address, number in listening() if (used, number) == (proto, port)}
            assert addresses_of(proto, port) == listed
    sockets.release(holds)

    assert addresses_of(TCP, 8081) == set()
