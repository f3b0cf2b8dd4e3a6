"""``pynet policy``: the policies of networks and containers as rows, and the options by which they are set."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.commands.changes import Target, of_container
from cli.commands.name_book import NameBook
from cli.commands.selection import Selection
from cli.exit_codes import BadUsage
from cli.listing import Row
from cli.tables import as_wrapped_table
from plugin.engine.names import Known
from plugin.options.network import EndpointSettings
from plugin.policy.judge import OPTIONS

_KEYS = {"From": "from", "AllowOut": "allow_out", "PublishFrom": "publish_from"}


def as_data(reply: Mapping[str, Any], names: Known) -> dict[str, Any]:
    """Return the reply to the verb Policies with the keys of commands and with names."""
    rows = []
    for policy in reply["Policies"]:
        network, endpoint = policy["Network"], policy["Endpoint"]
        row = {"network_name": names.networks.get(network, ""), "container": names.containers.get(endpoint, "")}
        row |= {"network": network, "endpoint": endpoint, "groups": policy["Groups"]}
        rows.append(row | {key: policy[wire] for wire, key in _KEYS.items()})
    addresses = [{"name": name, "addresses": found} for name, found in reply["Names"].items()]
    return {"policies": sorted(rows, key=_order), "names": addresses}


def about(data: Mapping[str, Any], chosen: Selection) -> dict[str, Any]:
    """Return the policies of chosen networks and containers, and the names of hosts in them."""
    rows = [row for row in data["policies"] if chosen.has(row["network"], row["container"], row["endpoint"])]
    said = {word for row in rows for entry in row["allow_out"] or () for word in entry.split()}
    return {"policies": rows, "names": [one for one in data["names"] if f"dns:{one['name']}" in said]}


def as_text(data: Mapping[str, Any], width: int | None = None) -> str:
    """Return the policies for people, and the addresses of names of hosts below them, as wide as the terminal."""
    if not data["policies"]:
        return "no policy: everybody may talk to everybody whom the networks let through"
    lines = [["NETWORK", "CONTAINER", "GROUPS", "FROM", "OUT", "PUBLISHED FOR"]]
    lines += [_line(row) for row in data["policies"]]
    text = as_wrapped_table(lines, width)
    if not data["names"]:
        return text
    shown = [[one["name"], ", ".join(one["addresses"]) or "no address known yet"] for one in data["names"]]
    return f"{text}\n\n{as_wrapped_table([['NAME', 'ADDRESSES'], *shown], width)}"


def _line(row: Row) -> list[str]:
    network = row["network_name"] or row["network"][:12]
    container = row["container"] or row["endpoint"][:12] or "(default)"
    return [network, container, ", ".join(row["groups"]) or "-", *(_words(row[key]) for key in _KEYS.values())]


def _words(entries: Sequence[str] | None) -> str:
    return "everybody" if entries is None else ", ".join(entries) or "nobody"


def _order(row: Row) -> tuple[str, str, str, str]:
    return row["network_name"], row["network"], row["container"], row["endpoint"]


def options_of(texts: Mapping[str, str | None]) -> dict[str, str]:
    """Return the options that were given, by key; raises ``BadUsage`` if there is none.

    Without ``--egress``, ``--allow-out`` alone would change nothing, so it denies everything else.
    """
    given = {key: text for key, text in texts.items() if text is not None}
    if not given:
        raise BadUsage("name what to set: --from, --egress, --allow-out, --publish-from or --group")
    if EndpointSettings.allow_out.key in given:
        given.setdefault(EndpointSettings.egress.key, "deny")
    return given


def options_to_reset(target: Target) -> Sequence[str]:
    """Return the options of a policy that ``target`` can have: a group is of a container."""
    return OPTIONS if target.endpoint else [key for key in OPTIONS if key != EndpointSettings.groups.key]


def target_of(word: str, of: str, known: NameBook) -> Target:
    """Return the network that ``word`` names, or the endpoint of the container, in the network ``of`` if it is given.

    Raises:
        BadUsage: there is a network and a container of that name.
        NotFound, BadUsage, Failed: as ``NameBook.either`` and ``NameBook.endpoint``.
    """
    network, container = (None, None) if of else known.either(word)
    if network is None:
        return of_container(word, of, known)
    if container is not None:
        raise BadUsage(f"'{word}' is a network and a container: name an id, or the container with --network NETWORK")
    return Target(network.id, network.label)
