"""What networking leaves on a host, as lines of text: equal before and after is how a test says "nothing is left".

Left out: neighbours, counters, carriers and link-local addresses, which change by themselves on links that stay.
"""

import difflib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugin.model.names import bridge_name, container_link_name
from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.rules import without_drops
from tests.settling import settle

LINK_KEYS = ("ifname", "mtu", "qdisc", "group", "txqlen", "link_type", "address", "master", "ifalias")
OF_A_LINK = re.compile(r"/(?:conf|neigh)/(?!(?:all|default|lo|docker0|out0)/)")
EPHEMERAL = 32768  # first port that the kernel chooses (ip-sysctl, ip_local_port_range)
SHOWN = 60  # lines of a difference
SETTLES = 5.0  # seconds that both drivers may take to finish a removal in the background
BRIDGE = re.compile(bridge_name("") + "[0-9a-f]{12}")
DOCKER_BRIDGE = re.compile(r"\bbr-[0-9a-f]{12}\b")
NAMED_BRIDGE = re.compile(r'oifname "([^"*]+)" counter .*comment "pynet"')  # chosen by the user
OF_DOCKER = re.compile(r"table inet pynet \{.*?\tset docker_bridges \{(.*?)\n\t\}", re.DOTALL)
LINK_LOCAL = re.compile(r"fe80::|ff00::/8")
CARRIER = {"NO-CARRIER", "LOWER_UP"}
ADDRESS_KEYS = ("family", "local", "prefixlen", "broadcast", "scope", "label")
SETTINGS = ("/proc/sys/net/ipv4", "/proc/sys/net/ipv6", "/proc/sys/net/bridge", "/proc/sys/net/netfilter")
VOLATILE = re.compile(r"nf_conntrack_count|stable_secret|tcp_fastopen_key|/inet_peer|nf_conntrack_events")


def take(host: Host) -> list[str]:
    """Links, addresses, routes, rules, firewall, settings, listeners and namespaces of the host, one fact a line."""
    return [
        *_links(host),
        *_lines("route", host.net("ip", "route", "show", "table", "all")),
        *_lines("route6", host.net("ip", "-6", "route", "show", "table", "all")),
        *_lines("rule", host.net("ip", "rule")),
        *_lines("rule6", host.net("ip", "-6", "rule")),
        *sorted(_firewall(host)),  # 20.10 moves its own rules up whenever a network is made
        *_settings(host),
        *listening(host),
        *_namespaces(host),
    ]


def difference(before: list[str], after: list[str]) -> str:
    """What went (-) and what came (+), a line each; empty when both are the same."""
    changes = difflib.unified_diff(before, after, lineterm="", n=0)
    lines = [line for line in changes if not line.startswith(("---", "+++", "@@"))]
    return "\n".join(lines[:SHOWN] + [f"... and {len(lines) - SHOWN} more"] * (len(lines) > SHOWN))


@contextmanager
def unchanged(host: Host) -> Iterator[None]:
    """Assert that the host looks the same after the block as before, or soon after: links go in the background.

    Raises:
        AssertionError: something came or went; the text lists it.
    """
    wait_until(lambda: _at_rest(host), "earlier removals to be finished")
    before = take(host)
    yield
    changes = settle(lambda: difference(before, take(host)), SETTLES)
    assert not changes, f"left behind (+) or missing (-) on the host:\n{changes}"


def _at_rest(host: Host) -> bool:
    """Whether pynet has finished what it does after its replies: no link is left of what the engine took away.

    Rules name no bridge of Docker's that is gone. The engine puts a container's end of a pair back on the host when the
    container leaves, so none is there otherwise.
    """
    networks = host.api.call("GET", "/networks")
    wanted = {bridge_name(network["Id"]) for network in networks}
    named = {str(network["Options"].get("com.docker.network.bridge.name")) for network in networks}
    # The kernel keeps counts of dropped packets for a while, also by links that are gone.
    links, rules = host.net("ip", "-o", "link"), without_drops(host.net("nft", "list", "ruleset"))
    state = links + rules
    gone = set(DOCKER_BRIDGE.findall(state)) - set(DOCKER_BRIDGE.findall(links))
    told = OF_DOCKER.search(rules)
    if told and set(DOCKER_BRIDGE.findall(links)) - set(DOCKER_BRIDGE.findall(told[1])):
        return False  # pynet has yet to hear of one
    left = set(BRIDGE.findall(state)) - wanted | set(NAMED_BRIDGE.findall(state)) - named
    return not left and container_link_name("") not in state and not gone


def _links(host: Host) -> Iterator[str]:
    links: list[dict[str, Any]] = json.loads(host.net("ip", "-j", "address"))
    for link in sorted(links, key=lambda link: str(link["ifname"])):
        flags = ",".join(flag for flag in link["flags"] if flag not in CARRIER)
        yield " ".join(["link", flags, *(f"{key}={link[key]}" for key in LINK_KEYS if key in link)])
        for address in (entry for entry in link["addr_info"] if entry["scope"] != "link"):
            facts = " ".join(f"{key}={address[key]}" for key in ADDRESS_KEYS if key in address)
            yield f"address {link['ifname']} {facts}"


def _lines(kind: str, text: str) -> list[str]:
    lines = (line.replace(" linkdown", "").strip() for line in text.splitlines())
    return sorted(f"{kind} {line}" for line in lines if not LINK_LOCAL.search(line))


def _firewall(host: Host) -> Iterator[str]:
    for line in without_drops(host.net("nft", "--stateless", "list", "ruleset")).splitlines():
        if line.strip() and not line.startswith("#"):
            yield "nft " + re.sub(r"counter packets \d+ bytes \d+", "counter", line)
    for command in ("iptables-save", "ip6tables-save"):
        for line in host.net(command).splitlines():
            if not line.startswith("#"):
                yield f"{command} " + re.sub(r"\[\d+:\d+\]", "", line)


def _settings(host: Host) -> list[str]:
    """Settings of the host and of links that stay; those of other links come and go with them."""
    script = f"grep -rs . {' '.join(SETTINGS)} || true"
    lines = _lines("setting", host.net("sh", "-c", script))
    return [line for line in lines if not VOLATILE.search(line) and not OF_A_LINK.search(line)]


def listening(host: Host) -> list[str]:
    """Ports that somebody listens on; without those of UDP at which somebody may wait for an answer.

    pynet asks DNS for names of policies, also for a minute after these are gone.
    """
    lines = [line.split() for line in host.net("ss", "-Hlntu").splitlines()]
    return sorted(f"listening {words[0]} {words[4]}" for words in lines if not _may_ask(words[0], words[4]))


def _may_ask(protocol: str, address: str) -> bool:
    return protocol == "udp" and int(address.rpartition(":")[2]) >= EPHEMERAL


def _namespaces(host: Host) -> list[str]:
    """Mounts of network namespaces; their files alone are removed by the engine up to a minute later."""
    mounts = Path(f"/proc/{host.pid}/mountinfo").read_text().splitlines()
    return sorted("namespace " + line.split()[4] for line in mounts if " - nsfs " in line)
