"""Refused rules on a real kernel: their owner is closed, and opens again by itself."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netlink.errors import KernelError
from netlink.nftables import CommandRunner, Form, LibraryRunner, Nftables, Runner, open_runner
from plugin.errors import PynetError
from plugin.reconcile.watcher import Watcher
from tests.elements import written
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq
from tests.unit.test_background import Silence

LINK, PORT = f"pn-{rq.NETWORK_ID[:12]}", "pnh" + "02" * 6
ZONE = f'"{LINK}" : fe80::1%eth0'  # what an option was, before options were values
REFUSED = {
    "a zone": {"sources6": [ZONE]},
    "nft's language": {
        "sources6": [f'"{LINK}" : fe80::1 }}\nadd table ip pwned\nadd element inet pynet bridges {{ "lan"']
    },
    "subnets that overlap": {"subnets4": [f'"{LINK}" . 10.9.0.0/25']},
    "another's address in a map": {"published_ports_any4": ["tcp . 80 : 10.9.0.2 . 80", "tcp . 80 : 10.9.0.3 . 80"]},
}


class Refusing:
    """nft, which refuses the tables while ``broken``."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.broken = False

    def run(self, text: str, form: Form) -> tuple[bool, str, str]:
        """Run ``text``, or say why not."""
        if self.broken and "chain forward" in text:
            return False, "", "Error: syntax error, unexpected chain"
        return self._runner.run(text, form)

    def close(self) -> None:
        """Close nft."""
        self._runner.close()


@pytest.fixture
def nft() -> Refusing:
    """Return nft that can be broken."""
    return Refusing(open_runner())


@pytest.fixture
def pynet(nft: Refusing) -> Iterator[Pynet]:
    """Return a driver with that nft."""
    pynet = Pynet(nft=Nftables(nft))
    yield pynet
    pynet.close()


def furnish(pynet: Pynet, boxes: tuple[Container, Container]) -> None:
    """Make two networks with a container each, which the host forwards between."""
    for network, number, end, box in ((rq.NETWORK_ID, 9, "02", boxes[0]), (rq.OTHER_ID, 8, "03", boxes[1])):
        pynet.driver.create_network(rq.network(network, f"10.{number}.0.1/24", f"fd00:{number}::1/64"))
        pynet.attach(box, network, 2, end * 32)


@pytest.mark.parametrize("runner", [LibraryRunner, CommandRunner])
def test_a_check_sees_what_the_kernel_refuses_and_changes_nothing(runner: type[Runner]) -> None:
    """A check finds errors of syntax and refusals of the kernel, and applies nothing."""
    nft = Nftables(runner())
    sets = "table inet a { set s { type ifname . ipv4_addr; flags interval; }; }\n"
    nft.check(sets)
    assert sh("nft list tables") == ""
    nft.apply(sets + 'add element inet a s { "x" . 10.0.0.0/24 }\n')
    for refused in ('add element inet a s { "x" . 10.0.0.0/25 }\n', "add rule inet a nowhere drop\n", "nonsense\n"):
        with pytest.raises(KernelError):
            nft.check(refused)
    assert [nft.exists("a"), nft.exists("b")] == [False, False]
    nft.apply("table bridge a\n")
    assert nft.exists("a")
    nft.close()


@pytest.mark.parametrize("what", REFUSED)
def test_an_owner_that_is_refused_is_closed_and_others_are_not_touched(
    pynet: Pynet, two: tuple[Container, Container], what: str
) -> None:
    """A refused network is closed and named, others are as before, and a mended record opens it again."""
    furnish(pynet, two)
    before = sh("nft list map inet pynet masqueraded 2>&1 || nft list set inet pynet masqueraded")
    wanted = dict(pynet.survey.elements())
    sh("nft flush ruleset")
    pynet.firewall.load({**wanted, LINK: [*wanted[LINK], *written(REFUSED[what])]})
    pynet.reconciler.heal(elements=True)

    assert [(each.kind, LINK in each.sentence) for each in pynet.firewall.refused()] == [("RulesRefused", True)]
    assert "pwned" not in sh("nft list tables")
    assert f'"{LINK}"' in sh("nft list set inet pynet internal_bridges")
    outbound = sh("nft list set inet pynet masqueraded")
    assert outbound != before
    assert f'"pn-{rq.OTHER_ID[:12]}" . ipv6' in outbound
    assert f'"{LINK}"' not in outbound
    assert not two[0].reaches("10.8.0.2")
    assert two[1].reaches("10.8.0.1")
    assert [repair.kind for repair in pynet.reconciler.reconcile()] == ["RulesAstray"]
    assert two[0].reaches("10.9.0.1")
    assert pynet.firewall.refused() == {}


def test_an_endpoint_that_is_refused_reaches_nothing(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Nothing passes the port of a refused endpoint; its neighbours are as before."""
    pynet.driver.create_network(rq.network())
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
    wanted = dict(pynet.survey.elements())
    refused = written({"port_addresses4": [f'"{PORT}" . 02:42:0a:09:00:02 . 10.9.0.2%eth0']})
    pynet.firewall.load({**wanted, PORT: [*wanted[PORT], *refused]})

    assert not two[0].reaches("10.9.0.1")
    assert not two[0].reaches("10.9.0.3")
    assert two[1].reaches("10.9.0.1")
    pynet.firewall.put(PORT, wanted[PORT])
    assert two[0].reaches("10.9.0.3")


def test_without_tables_the_host_is_closed_until_they_are_back(
    pynet: Pynet, two: tuple[Container, Container], nft: Refusing
) -> None:
    """No packet of a container gets anywhere, nothing is made; with the tables all is back at once, addresses too."""
    furnish(pynet, two)
    look = "ip -o -4 addr; ip -o -6 addr show scope global; ip route; ip -6 route | grep -v ^fe80; nft list ruleset"
    before = sh(look)
    nft.broken = True
    sh("nft flush ruleset")
    assert two[0].reaches("10.8.0.2")  # this is what must not last
    with pytest.raises(KernelError, match=r"are missing, so all is closed: .*unexpected chain"):
        pynet.reconciler.heal(elements=False)
    for address in ("10.8.0.2", "10.9.0.1", "fd00:8::2", "fd00:9::1"):
        assert not two[0].reaches(address)
    with pytest.raises(PynetError, match="are missing, so all is closed"):
        pynet.driver.create_endpoint(replace(rq.endpoint("10.9.0.7/24"), endpoint_id="e7" * 32))
    nft.broken = False
    Watcher(pynet.reconciler, Silence()).look(frozenset())

    assert sh(look) == before
    assert two[0].reaches("10.9.0.1")
    assert not two[0].reaches("10.8.0.2")
