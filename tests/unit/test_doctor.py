"""What the doctor says about facts; every complaint has a cure."""

import re
import socket
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import click
import pytest

from cli.commands.doctor import as_data, as_text
from plugin.doctor.checks import CHECKS, examine, exit_code
from plugin.doctor.facts import (
    Asked,
    Crossing,
    Detour,
    Doubled,
    EngineFacts,
    Facts,
    HostFinding,
    Listener,
    LostAddress,
    ServiceFacts,
    Severity,
    State,
    Subject,
    TurnedAway,
    Unreached,
    Wall,
)
from plugin.doctor.probe import find_listener
from plugin.ipam.supernets import parse_supernets
from plugin.protocol.messages import Countdown, LeftOut
from plugin.protocol.own_messages import Fill

SUPERNETS = parse_supernets("10.200.0.0/22:24,fd00:1::/62:64", "machine")
SILENT, STRICT = "net/ipv4/conf/all/arp_ignore", "net/ipv4/conf/eth0/rp_filter"
SOUND = Facts(engine=EngineFacts("28.5.2"), supernets=SUPERNETS)
VPN = (ip_network("10.0.0.0/8"),)
SMALL = ip_network("10.200.1.0/28")
NAMED = EngineFacts("28.5.2", networks=(("six", ip_network("fd00:9::/64")), ("web", SMALL)))
OWN = frozenset({SMALL})
FOREIGN = "link 'pn-1' of network 'a1' is another one, which pynet did not make: give that one another name"
E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE


def engine(version: str) -> Facts:
    return replace(SOUND, engine=EngineFacts(version))


def asked(pynet: str, engine: str) -> Asked:
    return Asked("a1" * 32, "box", "10.9.0.1", pynet, engine)


def wall(chain: str, crossing: Crossing) -> Facts:
    return replace(SOUND, walls=(Wall(chain, crossing),))


def way(how: str, *, outwards: bool = False) -> Facts:
    detour = Detour("a1" * 32, SMALL, "pn-1", "10.200.1.9", how, outwards)
    return replace(SOUND, engine=NAMED, own_pools=OWN, detours=(detour,))


def fill(taken: int) -> Facts:
    return replace(SOUND, engine=NAMED, own_pools=OWN, fills=(Fill("a1" * 32, SMALL, taken, 14),))


def ports(held: int) -> Facts:
    return replace(SOUND, serving=ServiceFacts(sockets=held, most_sockets=768))


MISSED = Countdown("h2", "b", "blue", 12.2, 48.1)
BEHIND, ASTRAY = LeftOut("blue", "host 'h2'", "it is behind a router"), TurnedAway("a1" * 32, "10.9.0.3", "ul1", 7)
DOUBLED = Doubled("a1" * 32, "e0" * 32, ip_address("10.9.0.2"))
LOST = LostAddress("a1" * 32, "e0" * 32, (ip_address("10.9.0.2"),), "h2")
CASES = [
    (ports(10), N, "can hold 768 published ports, and holds 10", "LimitNOFILE=1048576"),
    (ports(760), W, "can hold 768 published ports, and holds 760", "--ulimit nofile"),
    (replace(SOUND, missing_capabilities=("CAP_NET_ADMIN",)), E, "lacks CAP_NET_ADMIN", "run pynet as root"),
    (replace(SOUND, features={"veth pairs (veth)": "not supported"}), E, "no veth pairs", "modprobe veth"),
    (replace(SOUND, untried="not permitted"), N, "could not be tried: not permitted", "as root"),
    (replace(SOUND, libnftables=False), W, "starts a process", "libnftables1"),
    (replace(SOUND, libnftables=False, nft_program=False), E, "no nft either", "libnftables1"),
    (
        replace(SOUND, state=State(routed=frozenset({4, 6})), settings={"net/ipv4/ip_forward": "0"}),
        E,
        "net.ipv4.ip_forward is 0",
        "sysctl -w net.ipv4.ip_forward=1",
    ),
    (replace(SOUND, unlimited="no ifb"), N, "cannot limit the rates of containers: no ifb", "modprobe -a sch_tbf ifb"),
    (replace(SOUND, unlimited="no ifb", limited=("a1" * 32,)), W, "networks want that, such as 'a1a1", "modprobe -a"),
    (replace(SOUND, unreached=(Unreached("a1" * 32, "eth0", 6),)), W, "'eth0' has no IPv6 address", "ip addr show dev"),
    (
        replace(SOUND, unreached=(Unreached("a1" * 32, "eth0", 4, SILENT, "1"),)),
        W,
        "arp_ignore' is 1",
        "sysctl -w net.ipv4",
    ),
    (replace(SOUND, unreached=(Unreached("a1" * 32, "eth0", 4, STRICT, "1"),)), W, "rp_filter' is 1", "rp_filter=2"),
    (replace(SOUND, serving=ServiceFacts(resolver_trouble="listen for DNS")), E, "listen for DNS", "ss -lunp"),
    (replace(SOUND, astray=("169.254.53.53",)), W, "'lo' has lost address '169.254.53.53'", "pynet reconcile"),
    (replace(SOUND, asked=(asked("timed out", "refused"),)), E, "not answer container 'box'", "pynet dns status"),
    (replace(SOUND, asked=(asked("", "NXDOMAIN"),)), W, "resolver.pynet: NXDOMAIN", "pynet dns setup"),
    (
        replace(SOUND, serving=ServiceFacts(takeovers=(MISSED,))),
        W,
        "'b' has been missed for 12 s; its",
        "start its pynet",
    ),
    (replace(SOUND, serving=ServiceFacts(left_out=(BEHIND,))), W, "leaves out host 'h2': it is", "follows by itself"),
    (
        replace(SOUND, serving=ServiceFacts(turned_away=(ASTRAY,))),
        W,
        "7 packets from container 10.9.0.3",
        "on one segment",
    ),
    (replace(SOUND, doubled=(DOUBLED,)), E, "has 10.9.0.2, which is this host's own", "--aux-address host=10.9.0.2"),
    (replace(SOUND, lost=(LOST,)), E, "is closed: 10.9.0.2 is that of a container on host 'h2'", "create it again"),
    (replace(SOUND, unresolved=("x.example",)), W, "allows 'x.example', of which", "getent ahosts x.example"),
    (replace(SOUND, deaf=("eth0",)), W, "makes the host lose the default route", "net.ipv6.conf.eth0.accept_ra=2"),
    (
        replace(SOUND, deaf=("eth0",), settings={"net/ipv6/conf/all/forwarding": "1"}),
        W,
        "'eth0' ignores routers",
        "net.ipv6.conf.eth0.accept_ra=2",
    ),
    (
        replace(SOUND, legacy_mute=frozenset({4})),
        W,
        "INPUT chain of iptables-legacy",
        "-I INPUT -p udp -d 169.254.53.53",
    ),
    (replace(SOUND, legacy_drop=frozenset({6})), E, "ip6tables-legacy has the policy DROP", "-I FORWARD -i pn-+"),
    (wall("inet mine forward", Crossing.OUT), W, "'inet mine forward' drops what containers", 'iifname "pn-*"'),
    (wall("ip filter DOCKER-USER", Crossing.IN), W, "for published ports", "come before pynet's"),
    (wall("inet mine input", Crossing.RELAY), W, "containers that have only IPv4", "accept these ports"),
    (wall("inet mine input", Crossing.NEIGHBOURS), E, "do not find their gateway", "nd-neighbor-solicit"),
    (wall("inet mine input", Crossing.TUNNEL), E, "VXLAN", "UDP port"),
    (wall("inet mine forward", Crossing.DIRECT), E, "without a tunnel", "what they send"),
    (way("link 'tun0'"), E, "10.200.1.9 go by link 'tun0', and not to network 'web'", "ip route get 10.200.1.9"),
    (way("a route that drops", outwards=True), E, "outside, such as 10.200.1.9, meets a route that drops", "ip rule"),
    (fill(14), W, "14 of 14 addresses of 10.200.1.0/28 are taken, in network 'web': no container", "a greater subnet"),
    (fill(13), N, "13 of 14 addresses", "a greater subnet"),
    (
        replace(SOUND, serving=ServiceFacts(metrics="0.0.0.0:9717")),
        N,
        "everybody who reaches '0.0.0.0:9717'",
        "firewall",
    ),
    (replace(SOUND, serving=ServiceFacts(metrics_problem="it is taken")), W, "by TCP: it is taken", "another PYNET_M"),
    (replace(SOUND, serving=ServiceFacts(repairs={"SettingChanged": 5})), W, "keeps changing settings", "the timer"),
    (
        replace(SOUND, serving=ServiceFacts(((FOREIGN, FOREIGN),) * 2)),
        E,
        "pynet did not make",
        "give that one another name",
    ),
    (
        replace(SOUND, serving=ServiceFacts((("port lost: hold it", "taken"),))),
        E,
        "hold it: not done (taken)",
        "reconcile",
    ),
    (replace(SOUND, bad_settings=(("/etc/default/pynet", "X is bad"),)), E, "setting: X is bad", "systemctl restart"),
    (replace(SOUND, bad_settings=(("the environment", "X is bad"),)), E, "setting: X is bad", "correct it in the env"),
    (replace(SOUND, failed_units={"pynet.socket": "limit"}), E, "unit pynet.socket failed (limit)", "-u pynet.socket"),
    (
        replace(SOUND, unseen=(Subject.STATE, Subject.RULES)),
        N,
        "look at the state of pynet and the rules of firewalls",
        "as root",
    ),
    (replace(SOUND, listener=Listener.HANGS), E, "does not answer them", "systemctl restart pynet.service"),
    (replace(SOUND, listener=Listener.HANGS, systemd=False), E, "does not answer them", "kill -KILL"),
    (replace(SOUND, listener=Listener.NOTHING, systemd=False), W, "pynet does not run", "pynet serve"),
    (replace(SOUND, engine=EngineFacts(), systemd=False), W, "does not answer", "dockerd"),
    (replace(SOUND, engine=EngineFacts("28.5.2", elsewhere="tcp://h:1")), W, "DOCKER_HOST is 'tcp://h:1'", "unset"),
    (replace(SOUND, state=State(locked=(("/s", "belongs to 'nobody'"),))), E, "'/s' belongs to 'nobody'", "chown -R"),
    (replace(SOUND, state=State(full="room")), E, "no room left", "make room"),
    (replace(SOUND, listener=Listener.NOTHING), W, "pynet does not run", "systemctl start pynet"),
    (replace(SOUND, listener=Listener.DEAD), E, "nobody listens", "rm '/run/docker/plugins/pynet.sock'"),
    (replace(SOUND, listener=Listener.NO_SOCKET), E, "is a file and no socket", "PYNET_SOCKET"),
    (engine(""), W, "does not answer on '/run/docker.sock'", "systemctl start docker"),
    (engine("19.03.15"), E, "19.03.15 is older", "20.10 or later"),
    (engine("29.0.0"), E, "crashes whenever a container leaves", "29.0.3"),
    (engine("29.0.2-rc.1"), E, "crashes", "29.0.3"),
    (engine("29.1.0"), E, "find no names", "29.1.1"),
    (replace(SOUND, ports={"pn-1": 920}), W, "920 of 1023 ports", "another network"),
    (replace(SOUND, ports={"pn-1": 1023}), E, "no container fits in", "another network"),
    (replace(SOUND, state=State(problem="it is damaged")), E, "it is damaged", "pynet restore"),
    (replace(SOUND, state=State(open_to_others=True)), W, "can be entered by others", "chmod 0700"),
    (replace(SOUND, state=State(free=1 << 20)), W, "has 1 MiB left", "make room"),
    (
        replace(SOUND, engine=EngineFacts("28.5.2", networks=(("web", ip_network("10.200.0.0/23")),))),
        N,
        "2 of 4 pools of 10.200.0.0/22 are in use by the host: 10.200.0.0/23 (web)",
        "PYNET_POOLS",
    ),
]


@pytest.mark.parametrize(("facts", "severity", "words", "cure"), CASES, ids=[words for _, _, words, _ in CASES])
def test_one_thing_is_wrong(facts: Facts, severity: Severity, words: str, cure: str) -> None:
    """One problem gives one finding, with its severity and its cure."""
    (finding,) = examine(facts).findings
    assert finding.severity is severity
    assert words in finding.cause
    assert cure in "\n".join([finding.cure, *finding.commands])


def test_what_is_usual_is_no_finding() -> None:
    """Usual states of a host with Docker are no finding: br_netfilter on, room in a pool."""
    on = dict.fromkeys(("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"), "1")
    assert examine(replace(fill(12), settings=on)).findings == []


def test_a_user_who_may_not_ask_the_engine_is_not_told_that_it_is_down() -> None:
    """A user who may not see engine or socket is not told that they are down."""
    hidden = replace(SOUND, engine=EngineFacts(denied=True), listener=Listener.HIDDEN, unseen=(Subject.ENGINE,))
    assert [finding.check for finding in examine(hidden).findings] == ["privileges"]


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2", "29.0.3", "29.1.1", "29.7.2", "30.0.0-dev"])
def test_a_sound_host_has_no_findings(version: str) -> None:
    """Nothing is said, and scripts read 0; on request there is a line for each check."""
    found = examine(engine(version))
    assert (found.findings, exit_code([])) == ([], 0)
    assert as_text(found) == f"nothing is wrong here: {len(CHECKS)} checks found nothing"
    assert [click.unstyle(line) for line in as_text(found, every=True).splitlines()] == [
        f"sound: {check.sound} ({name})" for name, check in CHECKS.items()
    ]


def test_a_host_without_a_free_pool() -> None:
    """If a VPN takes all pools, the first finding is the error that none is left; another one names the supernet."""
    first, second = examine(replace(SOUND, host_networks=VPN)).findings
    assert (first.severity, "no IPv4 pool is left" in first.cause) == (E, True)
    assert (second.severity, "4 of 4 pools" in second.cause) == (W, True)


def test_pynets_own_networks_are_not_in_its_way() -> None:
    """Their routes are on the host as well, and Docker lists them."""
    own = ip_network("10.200.1.0/24")
    there = replace(SOUND, host_networks=(own,), engine=EngineFacts("28.5.2", networks=(("web", own),)))
    assert examine(replace(there, own_pools=frozenset({own}))).findings == []


def test_bridged_traffic_meets_a_legacy_firewall() -> None:
    """br_netfilter with a dropping iptables-legacy cuts containers of one network off: an error."""
    facts = replace(SOUND, legacy_drop=frozenset({4}), settings={"net/bridge/bridge-nf-call-iptables": "1"})
    assert [finding.severity for finding in examine(facts).findings] == [E, E]
    assert "sysctl -w net.bridge.bridge-nf-call-iptables=0" in examine(facts).findings[1].commands


@pytest.mark.parametrize(("severities", "code"), [([N], 0), ([W, N], 1), ([N, E, W], 2)])
def test_the_exit_code_is_the_worst(severities: list[Severity], code: int) -> None:
    """A note is no reason to fail."""
    assert exit_code([HostFinding(severity, "cause", "cure") for severity in severities]) == code


def test_findings_can_be_read_by_programs() -> None:
    """A list of objects with texts."""
    found = examine(engine("29.0.1"))
    (shown,) = as_data(found)
    assert shown.keys() == {"check", "severity", "cause", "cure", "commands", "see"}
    assert (shown["check"], shown["see"]) == ("engine", "docs/guide/troubleshooting.md#engine")
    assert click.unstyle(as_text(found)).startswith("error: Docker Engine 29.0.1 crashes")


def test_every_check_was_put_to_the_test() -> None:
    """Every check finds something in one of the cases above."""
    bridged = replace(SOUND, legacy_drop=frozenset({4}), settings={"net/bridge/bridge-nf-call-iptables": "1"})
    cases = [*(facts for facts, *_ in CASES), replace(SOUND, host_networks=VPN), bridged]
    silent = [name for name, check in CHECKS.items() if not any(list(check.ask(facts)) for facts in cases)]
    assert not silent


def test_the_names_of_checks_are_anchors_that_stay() -> None:
    """Scripts and the page about troubleshooting use these names; a check that is renamed breaks both."""
    assert " ".join(CHECKS) == (
        "privileges capabilities kernel nftables settings units socket repairs port-limit metrics state engine "
        "forwarding changed-settings router-advertisements routes addresses pools bridge-ports limits host-names "
        "resolver host-access doubled-addresses takeover lost-addresses left-out turned-away legacy-firewall "
        "firewall bridged-traffic"
    )
    assert all(re.fullmatch("[a-z]+(-[a-z]+)?", name) for name in CHECKS)


def test_a_check_that_could_not_look_is_not_called_sound() -> None:
    """A user who may not read the state learns that nothing is known about it, not that it is sound."""
    found = examine(replace(SOUND, unseen=(Subject.STATE,)))

    assert found.unknown == [
        "state",
        "forwarding",
        "routes",
        "addresses",
        "host-names",
        "resolver",
        "host-access",
        "doubled-addresses",
        "lost-addresses",
        "firewall",
    ]
    assert not {"privileges", *found.unknown} & {*found.sound}
    assert "unknown: whether every subnet has addresses left (addresses)" in as_text(found, every=True).splitlines()


def test_what_is_at_a_path(tmp_path: Path) -> None:
    """The doctor tells a missing path, a file, a served socket and a dead one apart."""
    path = tmp_path / "pynet.sock"
    assert find_listener(path) is Listener.NOTHING
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert find_listener(path) is Listener.ANSWERS
    assert find_listener(path) is Listener.DEAD
    path.unlink()
    path.write_text("")
    assert find_listener(path) is Listener.NO_SOCKET
