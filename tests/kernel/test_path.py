"""``pynet path`` says what the kernel does: for every kind of network, both families, and every direction."""

from collections.abc import Iterator
from itertools import product

import pytest

from cli.server.paths import answer_path
from plugin.protocol.path_messages import Fate, PathQuestion, question
from tests.kernel import test_policy_matrix as policies
from tests.kernel.container import Container, sh
from tests.kernel.probing import answering
from tests.kernel.pynet import Pynet
from tests.kernel.reach import BRIDGE, Net, Scene, refuse_users

ROUTED = {f"{BRIDGE}gateway_mode_ipv4": "routed", f"{BRIDGE}gateway_mode_ipv6": "routed"}
OPEN = {f"{BRIDGE}gateway_mode_ipv4": "nat-unprotected", f"{BRIDGE}gateway_mode_ipv6": "nat-unprotected"}
NETS = {
    "nat": Net(10, {}),
    "silent": Net(11, {f"{BRIDGE}enable_icc": "false"}),
    "closed": Net(12, {}, internal=True),
    "routed": Net(13, ROUTED),
    "open": Net(14, OPEN),
    "trusting": Net(15, {f"{BRIDGE}trusted_host_interfaces": "out0"}),
}
ENDS = ("nat", "silent", "closed", "routed", "open", "trusting")
SOURCES = ("nat", "silent", "closed", "routed", "outside", "host")
TARGETS = (*ENDS, "nat2", "silent2", "closed2", "outside", "host", "gateway of nat", "gateway of closed")
FATES = {  # in words of the prober
    "passed": (Fate.PASSES,),
    "reset": (Fate.REFUSED,),
    "prohibited": (Fate.REFUSED,),
    "lost": (Fate.DROPPED,),
}
PUBLISHED = (("tcp/8080", "host"), ("tcp/8080", "gateway of nat"))


@pytest.fixture
def scene(pynet: Pynet, containers: list[Container]) -> Iterator[Scene]:
    """A network of each kind with one or two containers, some of which publish a port."""
    scene = Scene(pynet, containers)
    for name, net in NETS.items():
        net.create(pynet)
        ports = {"nat": ["8080"], "silent": ["192.0.2.1:8081"], "routed": ["8083"], "trusting": ["8084"]}.get(name, [])
        scene.attach(name, net, 2, *ports)
        if name in {"nat", "silent", "closed"}:
            scene.attach(f"{name}2", net, 3)
    yield scene
    scene.end()


@pytest.mark.parametrize("version", [4, 6])
def test_the_model_says_what_the_kernel_does(scene: Scene, version: int) -> None:
    """Whatever the model says of two ends and a service is what happens to a real packet."""
    pairs = [(source, target) for source, target in product(SOURCES, TARGETS) if source != target]
    cases = [(source, target, "tcp/7777", version) for source, target in pairs if (source, target) != ("host", "host")]
    cases += [(source, target, "icmp", version) for source, target in pairs if target in {"routed", "nat", "silent2"}]
    cases += [(source, target, service, version) for source in SOURCES for service, target in PUBLISHED]
    cases += [(source, "host", "tcp/8081", 4) for source in SOURCES]

    assert "\n".join(scene.wrong(cases)) == ""


def test_without_forwarding_nothing_leaves(scene: Scene) -> None:
    """If the host does not forward, only neighbours and the host are reached."""
    sh("sysctl -qw net.ipv4.ip_forward=0")

    assert scene.wrong(("nat", target, "tcp/7777", 4) for target in ("outside", "nat2", "routed", "host")) == []
    assert scene.told("nat", "outside", "tcp/7777", 4).deciding.by == "forwarding"


def test_a_rule_of_the_user_decides(scene: Scene) -> None:
    """A drop in DOCKER-USER is found, and named; a rule that cannot be followed leaves the answer open."""
    refuse_users("-p tcp -m tcp --dport 7777 -d 192.0.2.9 -j DROP")
    decides = scene.told("nat", "outside", "tcp/7777", 4)

    assert scene.wrong(("nat", "outside", service, 4) for service in ("tcp/7777", "udp/7777")) == []
    assert (decides.fate, "DOCKER-USER" in decides.deciding.text) == (Fate.DROPPED, True)
    sh("iptables -I DOCKER-USER -m statistic --mode random --probability 0.5 -j DROP")
    assert scene.told("nat", "outside", "udp/7777", 4).fate is Fate.UNCLEAR
    sh("iptables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j RETURN")  # translates, and stops nothing
    assert scene.told("host", "nat", "icmp", 4).fate is Fate.PASSES


def test_policies_are_judged_as_the_kernel_does(pynet: Pynet, containers: list[Container]) -> None:
    """For every pair of the matrix of policies, the model says what passes, what is refused and what is lost."""
    scene = policies.Scene(pynet, containers)
    with answering(None, *scene.boxes.values()):
        found = scene.fates(list(policies.PASSES))
    told = {asked: answer_path(pynet.store, _question(*asked)) for asked in found}

    assert [(asked, fate, told[asked]) for asked, fate in found.items() if told[asked].fate not in FATES[fate]] == []


def _question(source: str, target: str, service: str, version: int) -> PathQuestion:
    """Return a question of the matrix for the model, in which the published port is tcp/8081 of the host."""
    sender = source if source == "host" else policies.ADDRESSES[source][version == 6]
    wanted = "tcp/8081" if target == "published" else service
    return question(sender, policies.ADDRESSES[target][version == 6], wanted, str(version))
