"""``pynet dns setup``: how containers of this host can ask pynet's resolver, and the lines to write for it.

A plugin cannot give a container a DNS server. Up to Engine 25 the engine asks the host's servers from the container's
namespace, where rules of a network catch the question; since 26 it asks from the host's (moby beb97f7fdf).
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlink.routes import nameservers
from plugin.doctor.checks import DNS_BREAKING_ENGINE, version_numbers
from plugin.model.resolver_place import RESOLVER as PLACES

RESOLVER = str(PLACES[4])  # the same on every host
OPTION = ("docker network create --driver pynet -o pynet.dns=on NETWORK", "pynet network set NETWORK dns=on")
LAST_THAT_ASKS_FROM_THE_CONTAINER = 25
DAEMON = Path("/etc/docker/daemon.json")
RESOLVED, DNSMASQ = Path("/etc/systemd/resolved.conf.d/pynet.conf"), Path("/etc/dnsmasq.d/pynet.conf")


@dataclass(frozen=True, slots=True)
class DnsHost:
    """This host, as far as DNS is concerned; ``servers`` are the host's own DNS servers.

    ``daemon`` is the content of daemon.json, {} without a file, None for a file that cannot be read. ``mixed`` are
    servers that systemd-resolved has for all links, and ``done`` the files for the host's own resolver that name pynet.
    """

    engine: str
    servers: Sequence[str] = ()
    daemon: Mapping[str, Any] | None = field(default_factory=dict)
    resolved: bool = False
    dnsmasq: bool = False
    mixed: Sequence[str] = ()
    done: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class DnsWay:
    """A way to the resolver: its title, its effect, and what to write into which file or command line."""

    title: str
    effect: str
    place: str
    lines: Sequence[str]
    then: str = ""
    done: bool = False


def surroundings(engine: str, root: Path = Path("/")) -> DnsHost:
    """Look at the files below ``root``."""
    # With systemd-resolved the first file names its own server alone, and the second one those behind it.
    behind = root / "run/systemd/resolve/resolv.conf"
    servers = dict.fromkeys(map(str, nameservers((root / "etc/resolv.conf", behind))))
    return DnsHost(
        engine,
        [server for server in servers if server != RESOLVER],
        _daemon(root / DAEMON.relative_to("/")),
        resolved=behind.exists(),
        dnsmasq=(root / "etc/dnsmasq.conf").exists(),
        mixed=_for_all_links(root / "etc/systemd"),
        done=[file for file in (RESOLVED, DNSMASQ) if RESOLVER in _text(root / file.relative_to("/"))],
    )


def ways(host: DnsHost) -> Sequence[DnsWay]:
    """Return the ways for this host, the recommended one first."""
    hijack = _hijack() if host.engine and version_numbers(host.engine)[0] <= LAST_THAT_ASKS_FROM_THE_CONTAINER else ()
    return [*hijack, _for_all(host), _for_some(), *_split(host)]


def trouble(host: DnsHost) -> Sequence[str]:
    """Return sentences about this host that the reader has to know first."""
    found = []
    if not host.engine:
        found.append("Docker Engine does not answer, so its version is not known; the ways below hold since 26.0")
    elif version_numbers(host.engine) == DNS_BREAKING_ENGINE:
        found.append(f"DNS for containers is broken in Docker Engine {host.engine}; update it to 29.1.1 or later")
    if host.resolved and host.mixed:
        found.append(
            f"systemd-resolved has DNS={' '.join(host.mixed)} for all links and would ask it for names below .pynet as "
            "well, so that way is left out; give that server to a link instead, as DNS= in its .network file"
        )
    if host.daemon is None:
        found.append(f"{DAEMON} cannot be read as JSON; mend it before you add a line")
    return found


def as_data(host: DnsHost) -> dict[str, Any]:
    """Return the ways for programs."""
    found = [
        {"title": w.title, "effect": w.effect, "place": w.place, "lines": list(w.lines), "then": w.then, "done": w.done}
        for w in ways(host)
    ]
    return {"engine": host.engine, "trouble": list(trouble(host)), "first": list(OPTION), "ways": found}


def as_text(data: Mapping[str, Any]) -> str:
    """Return ``as_data`` for people."""
    parts = [f"note: {sentence}" for sentence in data["trouble"]]
    first = "\n".join(f"       {line}" for line in data["first"])
    parts.append(f"pynet answers for networks with the option pynet.dns, when you create them or later:\n{first}")
    version = data["engine"] or "of an unknown version"
    parts.append(f"For their containers to ask pynet, one of these is enough (Docker Engine {version}):")
    parts += [_shown(number, way) for number, way in enumerate(data["ways"], 1)]
    return "\n\n".join(parts)


def _shown(number: int, way: Mapping[str, Any]) -> str:
    state = " (done)" if way["done"] else ""
    lines = [f"       {line}" for line in way["lines"]]
    texts = [f"{number}. {way['title']}{state}", _wrapped(way["effect"]), _wrapped(f"{way['place']}:"), *lines]
    return "\n".join([*texts, _wrapped(way["then"])] if way["then"] else texts)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="   ", subsequent_indent="   ")


def _hijack() -> Sequence[DnsWay]:
    effect = "Questions of the network's containers reach pynet by rules. Nothing else is needed."
    lines = ["docker network create --driver pynet -o pynet.dns=hijack NETWORK"]
    return [DnsWay("An option of the network, up to Docker Engine 25", effect, "When you create the network", lines)]


def _for_all(host: DnsHost) -> DnsWay:
    before = [str(server) for server in (host.daemon or {}).get("dns", ()) if server != RESOLVER]
    others = before or list(host.servers)
    value = json.dumps([RESOLVER, *(others or ["SERVER OF YOUR HOST"])])
    return DnsWay(
        "One line for all containers of this host",
        "Every container finds the names of its own network. While pynet is away the next server is "
        "asked. Internal networks need the next way.",
        f"In {DAEMON}, among the other keys",
        [f'"dns": {value}'],
        "Then restart Docker Engine; containers that start afterwards have it.",
        done=RESOLVER in (host.daemon or {}).get("dns", ()),
    )


def _for_some() -> DnsWay:
    return DnsWay(
        "A server for single containers",
        "These containers find the names of the network whose gateway you name. It works on internal networks too.",
        "On the command line, or as dns: of a service of Compose",
        ["docker run --network NETWORK --dns GATEWAY ...", f"docker run --network NETWORK --dns {RESOLVER} ..."],
    )


def _split(host: DnsHost) -> Sequence[DnsWay]:
    effect = (
        "The host itself and, since Docker Engine 26, all containers find NAME.NETWORK.pynet, and nobody needs a flag. "
        "A container finds short names with --dns-search NETWORK.pynet."
    )
    found = []
    if host.resolved and not host.mixed:
        lines = ["[Resolve]", f"DNS={RESOLVER}", "Domains=~pynet"]
        then = "Then: systemctl restart systemd-resolved"
        title, done = "Names below .pynet, by systemd-resolved", RESOLVED in host.done
        found.append(DnsWay(title, effect, f"In {RESOLVED}", lines, then, done))
    if host.dnsmasq:
        # The second line counts with stop-dns-rebind, which throws answers with private addresses away.
        lines, then = [f"server=/pynet/{RESOLVER}", "rebind-domain-ok=/pynet/"], "Then: systemctl restart dnsmasq"
        title, done = "Names below .pynet, by dnsmasq", DNSMASQ in host.done
        found.append(DnsWay(title, effect, f"In {DNSMASQ}", lines, then, done))
    return found


def _daemon(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _for_all_links(folder: Path) -> list[str]:
    """Return the servers that systemd-resolved asks for any name, beside pynet's (resolved.conf(5), DNS=)."""
    found: list[str] = []
    for file in (folder / "resolved.conf", *sorted((folder / "resolved.conf.d").glob("*.conf"))):
        for line in _text(file).splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "DNS":
                found = [*found, *value.split()] if value.strip() else []
    return [server for server in found if server != RESOLVER]


def _text(path: Path) -> str:
    """Return the content of a file, "" if it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
