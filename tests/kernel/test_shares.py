"""Elements that two endpoints share, on a real kernel."""

import pytest

from plugin.errors import Conflict
from tests.elements import written
from tests.kernel.container import Container, host_asks, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

INSIDE = "fd00:9::1"  # the host's address on the internal network


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_an_internal_network_stays_closed_when_one_of_two_ports_goes(
    pynet: Pynet, containers: list[Container], kind: str
) -> None:
    """Withdrawing one of two relayed ports with the same number does not open the other to an internal network."""
    containers += [Container(), Container(), Container()]
    proto = {"tcp": 6, "udp": 17}[kind]
    sh("ip addr add 2001:db8::1/128 dev lo nodad")
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", f"{INSIDE}/64", internal=True))
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    pynet.attach(containers[0], rq.NETWORK_ID, 2)
    first, second = (pynet.attach(containers[number], rq.OTHER_ID, number + 2) for number in (1, 2))
    containers[2].echo()
    pynet.publish(first, "[2001:db8::1]:8080", proto=proto)
    pynet.publish(second, f"[{INSIDE}]:8080", proto=proto)
    assert (host_asks(INSIDE, 8080, kind), containers[0].asks(INSIDE, 8080, kind)) == ("10.8.0.1", "")
    pynet.driver.leave(first)

    assert (host_asks(INSIDE, 8080, kind), containers[0].asks(INSIDE, 8080, kind)) == ("10.8.0.1", "")
    assert f"{kind} . 8080" in sh("nft list set inet pynet relayed_ports")
    pynet.driver.leave(second)
    assert f"{kind} . 8080" not in sh("nft list set inet pynet relayed_ports")


def test_the_kernel_keeps_one_value_a_key(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A map key has one value: a foreign one is overwritten, a port of another endpoint is refused."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    reference = pynet.attach(two[1], rq.NETWORK_ID, 3)
    two[1].echo()
    sh("nft add element inet pynet published_ports_any4 '{ tcp . 8080 : 10.9.0.2 . 7777 }'")
    pynet.publish(reference, "8080")
    assert host_asks("127.0.0.1", 8080) == "10.9.0.1"

    rival = written({"published_ports_any4": ["tcp . 8080 : 10.9.0.2 . 7777"]})
    with pytest.raises(Conflict, match=r"port 8080/tcp on 0\.0\.0\.0: port is already allocated, to endpoint '030303"):
        pynet.firewall.put("ports of another", rival)
    known = {owner: owned.elements for owner, owned in pynet.firewall.owners().items()}
    pynet.firewall.load({**known, "ports of another": rival})

    assert host_asks("127.0.0.1", 8080) == "10.9.0.1"
    assert [finding.kind for finding in pynet.firewall.refused()] == ["RulesRefused"]


def test_what_no_record_says_goes_with_a_look(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A survey removes rules that a failure left in memory without a record."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    two[0].echo()
    pynet.firewall.put("ports of nobody", written({"published_ports_any4": ["tcp . 8080 : 10.9.0.2 . 7777"]}))
    assert host_asks("10.9.0.1", 8080) == "10.9.0.1"
    assert [repair.kind for repair in pynet.reconciler.reconcile()] == ["RulesAstray"]

    assert host_asks("10.9.0.1", 8080) == ""
    assert pynet.reconciler.reconcile() == []
