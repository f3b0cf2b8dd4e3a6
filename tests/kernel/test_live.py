"""Changes on running networks and containers, in this kernel: links, ports of bridges, and frames."""

from netlink.container_end import change_container_end
from plugin.model.names import bridge_name, host_link_name
from plugin.protocol.change_messages import ResetOptions, SetOptions
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

MACHINE = "02:00:00:00:00:77"


def run(pynet: Pynet, two: tuple[Container, Container]) -> tuple[str, str]:
    """Make a network with two containers; return the first one's end on the host, and the bridge."""
    pynet.driver.create_network(rq.network(options={"pynet.gso": "off"}))
    first = pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    return host_link_name(first.endpoint_id), bridge_name(rq.NETWORK_ID)


def change(pynet: Pynet, **options: str) -> None:
    """Set options of the network."""
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, "", options))


def test_icc_goes_off_and_on_under_traffic(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Containers reach each other, then only the gateway, then each other again; nothing is left to repair."""
    run(pynet, two)
    assert two[0].reaches("10.9.0.3")
    change(pynet, icc="off")
    assert (two[0].reaches("10.9.0.3"), two[0].reaches("10.9.0.1")) == (False, True)
    assert pynet.dry_run.look() == []

    pynet.live.reset_options(ResetOptions(rq.NETWORK_ID))
    assert two[0].reaches("10.9.0.3")
    assert pynet.dry_run.look() == []


def test_macs_come_behind_a_port_and_go(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The bridge's entry of an allowed MAC goes with the option; without the guard the bridge learns."""
    end, _ = run(pynet, two)
    own = f"{2:02x}" * 32
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, own, {"guard_allow": MACHINE}))
    assert f"{MACHINE} master" in sh(f"bridge fdb show dev {end}")
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, own, {"guard_allow": "10.9.0.200"}))
    assert MACHINE not in sh(f"bridge fdb show dev {end}")
    change(pynet, guard="off")
    assert "learning on" in sh(f"bridge -d link show dev {end}")


def test_sizes_change_on_every_end(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """MTU and the largest packet change on the bridge and on both ends of a pair, up and down, and frames pass."""
    end, bridge = run(pynet, two)
    for mtu, gso in (("1300", "on"), ("9000", "off")):
        change(pynet, mtu=mtu, gso=gso)
        size = 196608 if gso == "on" else 65536
        for number, container in enumerate(two, 2):
            change_container_end(container.pid, f"02:42:0a:09:00:{number:02x}", mtu=int(mtu), gso=size)
        for shown in (sh(f"ip -d link show {end}"), sh(f"ip -d link show {bridge}"), two[0].sh("ip -d link show eth0")):
            assert f"mtu {mtu}" in shown
            assert f"gso_max_size {size}" in shown
        two[0].sh(f"ping -c 1 -W 1 -M do -s {int(mtu) - 28} 10.9.0.3")
    assert pynet.dry_run.look() == []
