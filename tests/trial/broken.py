"""Broken hosts as data: how each is broken and mended, and which check of ``pynet doctor`` has to speak.

The scripts run on a host that serves network 10.9.0.0/28 with IPv6 on the bridge ``$LINK``. ``$STOP`` and ``$CONTINUE``
halt the processes of pynet, ``$END`` and ``$START`` end and start it; ``$PYNET`` is the command, ``$SOCKET`` and
``$STATE`` are its places. ``$DOWN`` and ``$UP`` end and start the engine. ``$ADDRESSES`` takes or returns addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ERROR, WARNING = "error", "warning"
SUBNET4, SUBNET6 = "10.9.0.0/28", "fd00:9::/64"
UPLINK = (
    "ip link add up0 type veth peer name up1; ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; "
    "ip link set up1 up; ip route add default via 192.0.2.1"
)
_VPN = "ip link add vpn0 type veth peer name vpn1; ip link set vpn0 up; ip link set vpn1 up; "
_NO_VPN = "ip link del vpn0"
_TABLE = "nft 'add table inet mine; add chain inet mine c { type filter hook %s priority 5; policy %s; }'"
_USUAL = (
    "nft 'add rule inet mine c ct state vmap { established : accept, related : accept, invalid : drop }; "
    "add rule inet mine c iifname lo accept; add rule inet mine c meta l4proto { icmp, ipv6-icmp } accept; "
    "add rule inet mine c tcp dport 22 accept'"
)
_NO_TABLE = "nft delete table inet mine"
_USERS = "iptables -N DOCKER-USER 2>/dev/null; iptables -C FORWARD -j DOCKER-USER 2>/dev/null || iptables -I FORWARD "
_USERS += "-j DOCKER-USER; iptables -I DOCKER-USER -j DROP"
_BIND = "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('$SOCKET')\""
_OFF = "for i in 1 2 3 4 5 6; do echo 0 >/proc/sys/net/ipv4/ip_forward; $PYNET reconcile >/dev/null; done"
_FOREIGN = "$STOP; ip link del $LINK; ip link add $LINK type veth peer name other0; $CONTINUE; "
_LOOK = "$PYNET reconcile >/dev/null || true"


@dataclass(frozen=True, slots=True)
class Broken:
    """A host that is broken; ``check`` is "" for one that is as it should be, whatever it looks like.

    ``beside`` are checks that speak too, of what follows from it. ``variables`` are those of the doctor's shell.
    """

    name: str
    breaks: str
    mends: str
    check: str = ""
    severity: str = ""
    words: str = ""
    beside: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


HOSTS = (
    Broken(
        "another forward chain, policy drop",
        _TABLE % ("forward", "drop"),
        _NO_TABLE,
        "firewall",
        WARNING,
        "'inet mine c'",
    ),
    Broken(
        "another forward chain, a last rule that drops",
        f"{_TABLE % ('forward', 'accept')}; nft add rule inet mine c ct state established,related accept; "
        "nft add rule inet mine c iifname up0 oifname up1 accept; nft add rule inet mine c drop",
        _NO_TABLE,
        "firewall",
        WARNING,
        "'inet mine c'",
    ),
    Broken("DOCKER-USER -j DROP", _USERS, "iptables -D DOCKER-USER -j DROP", "firewall", WARNING, "DOCKER-USER"),
    Broken(
        "an input chain that drops neighbour discovery",
        f"{_TABLE % ('input', 'drop')}; nft 'add rule inet mine c iifname lo accept'; "
        "nft 'add rule inet mine c tcp dport 22 accept'",
        _NO_TABLE,
        "firewall",
        ERROR,
        "gateway",
    ),
    Broken(
        "a foreign link with the bridge's name",
        f"{_FOREIGN}{_LOOK}",
        f"ip link del $LINK; {_LOOK}; {_LOOK}",
        "repairs",
        ERROR,
        "did not make",
    ),
    Broken(
        "a socket on which nobody listens",
        f"$END; rm -f $SOCKET; {_BIND}",
        "rm $SOCKET; $START",
        "socket",
        ERROR,
        "nobody",
    ),
    Broken("no socket", "$END; rm -f $SOCKET", "$START", "socket", WARNING, "does not run"),
    Broken(
        "a file for a socket", "$END; rm -f $SOCKET; touch $SOCKET", "rm $SOCKET; $START", "socket", ERROR, "no socket"
    ),
    Broken("pynet hangs", "$STOP", "$CONTINUE", "socket", ERROR, "does not answer"),
    Broken("a pool that is full", "$ADDRESSES Request", "$ADDRESSES Release", "addresses", WARNING, "14 of 14"),
    Broken(
        "routes over both supernets",
        f"{_VPN} ip route add 10.200.0.0/13 dev vpn0; ip route add 172.24.0.0/13 dev vpn0",
        _NO_VPN,
        "pools",
        ERROR,
        "no IPv4 pool is left",
    ),
    Broken("a route into a network", f"{_VPN} ip route add 10.9.0.8/29 dev vpn0", _NO_VPN, "routes", ERROR, "'vpn0'"),
    Broken(
        "a rule that drops what is for a network",
        f"ip rule add to {SUBNET4} blackhole pref 100",
        "ip rule del pref 100",
        "routes",
        ERROR,
        "packets for",
    ),
    Broken(
        "a rule that drops what comes from a network",
        f"ip rule add from {SUBNET4} blackhole pref 100",
        "ip rule del pref 100",
        "routes",
        ERROR,
        "to the outside",
    ),
    Broken("a state folder for everybody", "chmod 777 $STATE", "chmod 700 $STATE", "state", WARNING, "chmod"),
    Broken("a state of another user", "chown -R nobody $STATE", "chown -R root $STATE", "state", ERROR, "nobody"),
    Broken(
        "a full disk",
        "dd if=/dev/zero of=$STATE/full bs=64k status=none || true",
        "rm $STATE/full",
        "state",
        ERROR,
        "no room",
    ),
    Broken("no engine", "$DOWN", "$UP", "engine", WARNING, "does not answer"),
    Broken(
        "DOCKER_HOST of another machine",
        "true",
        "true",
        "engine",
        WARNING,
        "tcp://192.0.2.9:2375",
        variables=(("DOCKER_HOST", "tcp://192.0.2.9:2375"),),
    ),
    Broken(
        "ip_forward that is turned off again and again",
        _OFF,
        "$END; $START",
        "changed-settings",
        WARNING,
        "keeps changing",
    ),
)

SOUND = (
    Broken("nothing", "true", "true"),
    Broken("a bridge that was deleted", f"ip link del $LINK; {_LOOK}", _LOOK),
    Broken(
        "a server that is closed as usual",
        f"{_TABLE % ('input', 'drop')}; {_USUAL}",
        _NO_TABLE,
    ),
    Broken(
        "a forward chain that lets pynet's links pass",
        f'{_TABLE % ("forward", "drop")}; nft \'add rule inet mine c iifname "pn-*" accept; '
        'add rule inet mine c oifname "pn-*" accept\'',
        _NO_TABLE,
    ),
    Broken(
        "a user's rule for some addresses",
        f"{_USERS.replace('-j DROP', '-s 203.0.113.0/24 -j DROP')}",
        "iptables -D DOCKER-USER -s 203.0.113.0/24 -j DROP",
    ),
    Broken(
        "a VPN that leads elsewhere",
        f"{_VPN} ip route add 10.77.0.0/16 dev vpn0; ip rule add from 10.77.0.9 lookup 7",
        _NO_VPN + "; ip rule del from 10.77.0.9 lookup 7",
    ),
    Broken("br_netfilter", "sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true", "true"),
)


def verdict(host: Broken, findings: Sequence[dict[str, Any]]) -> str:
    """Return the finding that the doctor missed, or a false one; "" if all is right."""
    spoke = [finding for finding in findings if finding["severity"] in (ERROR, WARNING)]
    if host.check and not any(_is_meant(host, finding) for finding in spoke):
        return f"MISSED: {[finding['what'] for finding in findings]}"
    wrong = [finding["cause"] for finding in spoke if finding["check"] not in (host.check, *host.beside)]
    return f"MISLED: {wrong}" if wrong else ""


def _is_meant(host: Broken, finding: dict[str, Any]) -> bool:
    said = "\n".join([finding["cause"], finding["cure"], *finding["commands"]])
    return (finding["check"], finding["severity"]) == (host.check, host.severity) and host.words in said
