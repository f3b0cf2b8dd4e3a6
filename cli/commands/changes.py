"""``pynet network set``, ``pynet endpoint set`` and ``pynet reset``: changes on running networks and containers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import click

from cli.client.serving import answer
from cli.commands.name_book import NameBook, name_book
from cli.commands.ports import joined, rows_of
from cli.engine.containers import EngineNetwork, container, network
from cli.exit_codes import BadUsage
from cli.listing import Row
from netlink.container_end import change_container_address, change_container_end
from netlink.errors import KernelError
from plugin.engine.names import Known
from plugin.errors import PynetError
from plugin.options.network import EndpointSettings

ChangeEnd = Callable[..., None]  # netlink.container_end.change_container_end


@dataclass(frozen=True, slots=True)
class Target:
    """The network of a change, and the endpoint if it is about one container; ids and names."""

    network: str
    network_name: str
    endpoint: str = ""
    container: str = ""
    container_id: str = ""

    @property
    def ids(self) -> dict[str, str]:
        """The ids as the verbs of pynet have them."""
        return {"NetworkID": self.network, **({"EndpointID": self.endpoint} if self.endpoint else {})}


def change_network(word: str, verb: str, body: Mapping[str, Any]) -> tuple[Row, str]:
    """Ask the running pynet for a change of a network, and change the ends in containers; return data and text."""
    target = of_network(word)
    found = network(target.network)
    reply = answer(verb, **target.ids, **body)
    row = row_of(reply, target)
    for note in [*change_ends(reply, found, change_container_end), *elsewhere(row, found)]:
        click.echo(f"note: {note}", err=True)
    return row, as_text(row)


def reserve(word: str, name: str, address: str = "") -> tuple[Row, str]:
    """Ask the running pynet to reserve an address for a name, or without one to end that; return data and text."""
    target = of_network(word)
    verb, body = ("ReserveAddress", {"Address": address}) if address else ("UnreserveAddress", {})
    reply = answer(verb, **target.ids, Name=name, **body)
    addresses = reply["Addresses"]
    text = f"{', '.join(addresses)} {'is' if address else 'is no longer'} reserved for {name} in {target.network_name}"
    return {"network": target.network, "network_name": target.network_name, "name": name, "addresses": addresses}, text


def change_endpoint(word: str, of: str, verb: str, body: Mapping[str, Any]) -> tuple[Row, str]:
    """Ask the running pynet for a change of a container in the network ``of``; return data and text."""
    target = of_container(word, of, name_book())
    row = row_of(answer(verb, **target.ids, **body), target)
    return row, as_text(row)


def renew(word: str, of: str) -> tuple[Row, str]:
    """Let a running container have the address that its DHCP server gives it now; return data and text."""
    target = of_container(word, of, name_book())
    found = answer("TakeLease", **target.ids)
    hops = [(ip_network(each["Destination"]), each["NextHop"]) for each in found["Routes"]]
    routes = [(to, ip_address(hop) if hop else None) for to, hop in hops]
    gateway = ip_address(found["Gateway"]) if found["Gateway"] else None
    address = ip_interface(found["Address"])
    process = container(target.container_id or target.endpoint).process
    change_container_address(process, found["MacAddress"], address, gateway, routes)
    row = {"network": target.network, "network_name": target.network_name, "container": target.container}
    text = f"container '{target.container}' has address {found['Address']} in network '{target.network_name}'"
    return {**row, "address": found["Address"], "before": found["Before"]}, text


def of_network(word: str) -> Target:
    """Return the network of pynet that ``word`` names; raises as ``NameBook.network``."""
    found = name_book().network(word)
    return Target(found.id, found.label)


def of_container(word: str, of: str, known: NameBook) -> Target:
    """Return the endpoint of a running container, in the network ``of`` or in its only one of pynet.

    Raises:
        NotFound, BadUsage, Failed: as ``NameBook.endpoint``.
    """
    found, end = known.endpoint(word, of)
    return Target(end.network.id, end.network.label, end.id, found.label, found.id)


def options_of(words: Sequence[str]) -> dict[str, str]:
    """Return options from words like guard=off; raises ``BadUsage``."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise BadUsage(f"'{word}' is no option with a value, such as guard=off")
        if key in found:
            raise BadUsage(f"option '{key}' is named twice")
        found[key] = value
    return found


def split_network(words: Sequence[str], is_other: Callable[[str], bool]) -> tuple[str, Sequence[str]]:
    """Return the network that a user named before words that satisfy ``is_other``, "" for none, and those words."""
    if words and not is_other(words[0]):
        return words[0], words[1:]
    return "", words


def is_option(word: str) -> bool:
    """Return whether a word is a key or a short name of an option of containers."""
    known = EndpointSettings.by_name().items()
    return word == "ports" or any(word in {name, one.key, one.key.partition(".")[2]} for name, one in known)


def row_of(reply: Mapping[str, Any], target: Target) -> Row:
    """Return the reply to SetOptions or ResetOptions, for scripts."""
    settings = [{key.lower(): text for key, text in each.items()} for each in reply["Settings"]]
    names: dict[str, Any] = {"network": target.network, "network_name": target.network_name}
    names |= {"endpoint": target.endpoint, "container": target.container}
    names |= {"settings": settings, "endpoints": reply["Endpoints"]}
    named = Known({target.network: target.network_name}, {target.endpoint: target.container})
    ports = {key: rows_of({"Ports": reply[key.capitalize()]}, named) for key in ("published", "withdrawn")}
    return {**names, **ports}


def as_text(row: Row) -> str:
    """Return what changed, for people."""
    lines = [f"{one['key']} = {_shown(one['value'])} ({_origin(one)})" for one in row["settings"]]
    for words in ("published", "withdrawn"):
        lines += [f"{words}: {_port(port)}" for port in row[words]]
    return "\n".join(lines) or "nothing changed"


def _port(port: Row) -> str:
    to = f"{joined(port['container_ip'], port['container_port'])}/{port['proto']}"
    return f"{joined(port['host_ip'], port['host_port'])} -> {to}" if port["host_ip"] else to


def _origin(one: Mapping[str, str]) -> str:
    return f"{one['origin']}, was {_shown(one['before'])}"


def _shown(value: str) -> str:
    return value or "empty"


def elsewhere(row: Row, found: EngineNetwork) -> Sequence[str]:
    """Return what a change of a network that spans hosts does not do."""
    if not found.shared_as or not row["settings"]:
        return ()
    return [
        f"network '{found.shared_as}' spans hosts, and this is changed on this host alone; change it on each of them"
    ]


def change_ends(reply: Mapping[str, Any], found: EngineNetwork, change: ChangeEnd) -> Iterator[str]:
    """Give the ends of links in containers the MTU and the largest packet of the network; yield what was not possible.

    The serving process is not allowed to enter containers.
    """
    mtu, gso = reply["MTU"], reply["GSO"]
    for key, mac in found.macs.items() if mtu or gso else ():
        name = key[:12]
        try:
            inside = container(key)
            name = inside.name
            change(inside.process, mac, mtu=mtu, gso=gso)
        except (KernelError, PynetError) as error:
            yield f"container '{name}' keeps its end of the link as it was until it starts again: {error}"
