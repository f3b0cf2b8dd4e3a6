"""Groups of commands: networks, endpoints, and the cluster."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.command_line import Commands, of_lists, refusals, with_json
from cli.progress import progress
from cli.tables import as_json

if TYPE_CHECKING:
    from cli.commands.name_book import NameBook
    from cli.listing import ListFlags, Row


@click.group(cls=Commands)
def network() -> None:
    """List and inspect the networks of pynet."""


@network.command(
    "ls",
    examples=["pynet network ls", "pynet network ls -q --no-trunc", "pynet network ls --format '{{.Name}} {{.MTU}}'"],
    see=["pynet network inspect", "docker network ls"],
)
@of_lists
def network_ls(*, flags: "ListFlags") -> None:
    """Print a line for each network: its mode, its link on the host, its subnets and its number of endpoints."""
    from cli.commands.networks import NETWORK_COLUMNS
    from cli.listing import listed

    with refusals():
        _, rows = _networks(settings=flags.machine)
        click.echo(listed(rows, NETWORK_COLUMNS, flags))


@network.command(
    "inspect",
    examples=["pynet network inspect blue"],
    codes={0: "All of them were printed.", 1: "One of them does not exist."},
    see=["pynet network ls", "docker network inspect"],
)
@click.argument("networks", nargs=-1, required=True)
def network_inspect(*, networks: Sequence[str]) -> None:
    """Print everything about NETWORKS, which are names or ids, as one JSON document.

    Its "settings" have every option with its value and its origin: "default", "network option" or "network change".
    """
    from cli.commands.networks import of_ids

    with refusals():
        known, rows = _networks(settings=True)
        click.echo(as_json(of_ids(rows, [known.network(word).id for word in networks])))


@network.command(
    "set",
    examples=["pynet network set blue mtu=1400", "pynet network set blue icc=off guard=on"],
    see=["pynet reset network", "pynet network inspect", "pynet options"],
)
@click.argument("network")
@click.argument("options", nargs=-1, required=True, metavar="OPTIONS...")
@with_json
def network_set(*, network: str, options: Sequence[str], machine: bool) -> None:
    """Change OPTIONS, such as mtu=1400, of NETWORK, a name or an id, while its containers run.

    The change goes before Docker's own option, for all containers of the network, and lasts as long as the network.
    Options may be named without their beginning, such as guard or mtu.
    """
    from cli.commands.changes import change_network, options_of

    with refusals():
        wanted = options_of(options)
        with progress(f"changing network '{network}'"):
            row, text = change_network(network, "SetOptions", {"Options": wanted})
    click.echo(as_json(row) if machine else text)


@network.command(
    "reserve",
    examples=["pynet network reserve blue web 10.9.0.50"],
    codes={75: "The address is in use, or the name has another one; nothing was changed."},
    see=["pynet network unreserve", "pynet network inspect"],
)
@click.argument("network")
@click.argument("name")
@click.argument("address")
@with_json
def network_reserve(*, network: str, name: str, address: str, machine: bool) -> None:
    """Reserve ADDRESS of NETWORK for the container called NAME, whenever it is created.

    The network needs "--ipam-driver pynet". Engine 29.0 and later send the names of containers; with an older one the
    container must ask for the address with "--ip". The reservation lasts as long as the network.
    """
    from cli.commands.changes import reserve

    with refusals(), progress(f"changing network '{network}'"):
        row, text = reserve(network, name, address)
    click.echo(as_json(row) if machine else text)


@network.command(
    "unreserve",
    examples=["pynet network unreserve blue web"],
    codes={1: "There is no such network, or no address of it is reserved for NAME."},
    see=["pynet network reserve"],
)
@click.argument("network")
@click.argument("name")
@with_json
def network_unreserve(*, network: str, name: str, machine: bool) -> None:
    """End the reservation of addresses of NETWORK for NAME; a container that has one keeps it."""
    from cli.commands.changes import reserve

    with refusals(), progress(f"changing network '{network}'"):
        row, text = reserve(network, name)
    click.echo(as_json(row) if machine else text)


@click.group(cls=Commands)
def reset() -> None:
    """Take changes of running networks and containers back, so that Docker's own options hold again."""


@reset.command(
    "network", examples=["pynet reset network blue", "pynet reset network blue mtu"], see=["pynet network set"]
)
@click.argument("network")
@click.argument("options", nargs=-1, metavar="[OPTIONS...]")
@with_json
def reset_network(*, network: str, options: Sequence[str], machine: bool) -> None:
    """Take back the changes of OPTIONS, or all changes, of NETWORK."""
    from cli.commands.changes import change_network

    with refusals(), progress(f"changing network '{network}'"):
        row, text = change_network(network, "ResetOptions", {"Options": list(options)})
    click.echo(as_json(row) if machine else text)


@reset.command(
    "endpoint",
    examples=["pynet reset endpoint web", "pynet reset endpoint web blue guard"],
    see=["pynet endpoint set"],
)
@click.argument("container")
@click.argument("words", nargs=-1, metavar="[NETWORK] [OPTIONS...]")
@with_json
def reset_endpoint(*, container: str, words: Sequence[str], machine: bool) -> None:
    """Take back the changes of OPTIONS, or all changes, of CONTAINER in NETWORK.

    Among the options, "ports" means what pynet publish and pynet unpublish did. NETWORK is needed if the container is
    in several networks of pynet.
    """
    from cli.commands.changes import change_endpoint, is_option, split_network

    with refusals(), progress(f"changing container '{container}'"):
        of, options = split_network(words, is_option)
        row, text = change_endpoint(container, of, "ResetOptions", {"Options": list(options)})
    click.echo(as_json(row) if machine else text)


@click.group(cls=Commands)
def endpoint() -> None:
    """List and inspect the endpoints of containers."""


@endpoint.command(
    "set",
    examples=["pynet endpoint set web guard=off", "pynet endpoint set web blue guard_allow=10.0.0.9"],
    see=["pynet reset endpoint", "pynet endpoint inspect", "pynet options"],
)
@click.argument("container")
@click.argument("words", nargs=-1, required=True, metavar="[NETWORK] OPTIONS...")
@with_json
def endpoint_set(*, container: str, words: Sequence[str], machine: bool) -> None:
    """Change OPTIONS, such as guard=off, of CONTAINER, a name or an id, in NETWORK while it runs.

    The change goes before Docker's own option and before those of the network, and ends when the container stops or
    leaves the network. NETWORK is needed if the container is in several networks of pynet.
    """
    from cli.commands.changes import change_endpoint, options_of, split_network

    with refusals():
        of, options = split_network(words, lambda word: "=" in word)
        wanted = options_of(options)
        with progress(f"changing container '{container}'"):
            row, text = change_endpoint(container, of, "SetOptions", {"Options": wanted})
    click.echo(as_json(row) if machine else text)


@endpoint.command(
    "renew",
    examples=["pynet endpoint renew web"],
    see=["pynet endpoint inspect", "pynet doctor"],
)
@click.argument("container")
@click.argument("network", default="")
@with_json
def endpoint_renew(*, container: str, network: str, machine: bool) -> None:
    """Give CONTAINER, a name or an id, the address that its DHCP server gives it now, without a restart.

    Connections of the old address end. Docker goes on showing the old address until the container is started again.
    NETWORK is needed if the container is in several networks of pynet.
    """
    from cli.commands.changes import renew

    with refusals(), progress(f"changing container '{container}'"):
        row, text = renew(container, network)
    click.echo(as_json(row) if machine else text)


@endpoint.command(
    "ls",
    examples=["pynet endpoint ls --network blue", "pynet endpoint ls --format '{{.Container}} {{.Link}}'"],
    see=["pynet endpoint inspect", "pynet ps"],
)
@click.option("--network", "of", default=None, metavar="NETWORK", help="Print those of one network only.")
@of_lists
def endpoint_ls(*, of: str | None, flags: "ListFlags") -> None:
    """Print a line for each endpoint: its container, its network, its link on the host and its addresses."""
    from cli.commands.networks import ENDPOINT_COLUMNS, of_ids
    from cli.listing import listed

    with refusals():
        known, networks = _networks(settings=flags.machine)
        found = networks if of is None else of_ids(networks, [known.network(of).id])
        rows = [end for network in found for end in network["endpoints"]]
        click.echo(listed(rows, ENDPOINT_COLUMNS, flags))


@endpoint.command(
    "inspect",
    examples=["pynet endpoint inspect web"],
    codes={0: "All of them were printed.", 1: "One of them does not exist."},
    see=["pynet endpoint ls", "docker inspect"],
)
@click.argument("endpoints", nargs=-1, required=True)
def endpoint_inspect(*, endpoints: Sequence[str]) -> None:
    """Print everything about ENDPOINTS, which are names of containers or ids of endpoints, as one JSON document.

    Its "settings" have every option with its value and its origin, which may be the network's.
    """
    from cli.commands.networks import of_ids

    with refusals():
        known, networks = _networks(settings=True)
        ids = [end.id for word in endpoints for end in known.running(word).ends]
        click.echo(as_json(of_ids([end for network in networks for end in network["endpoints"]], ids)))


def _networks(*, settings: bool) -> "tuple[NameBook, list[Row]]":
    """Return all networks as rows, and the words that name them; pynet and the engine are asked once."""
    from cli.client.serving import answer
    from cli.commands.name_book import name_book
    from cli.commands.networks import rows_of

    with progress("asking pynet and the engine for networks"):
        reply = answer("Networks")
        known = name_book(reply["Networks"])
        rows = rows_of(reply, known.inventory.known)
    if not settings:
        return known, rows  # the modes, which have options of their own, take time to load
    from cli.commands.origins import with_settings

    return known, with_settings(rows)


@click.group(cls=Commands)
def cluster() -> None:
    """Show the hosts that share networks with this one, forget a dead one, or change the keys of all."""


@cluster.command(
    "status",
    examples=["pynet cluster status", "pynet cluster status --json | jq -r '.hosts[] | select(.alive | not).name'"],
    codes={0: "All is well.", 1: "A problem was found.", 74: "The store does not answer."},
    see=["pynet cluster forget", "pynet status"],
)
@with_json
@click.pass_context
def cluster_status(context: click.Context, *, machine: bool) -> None:
    """Print the hosts, the networks that they share, and what is wrong."""
    from cli.client.serving import answer
    from cli.commands.cluster import as_text

    with refusals(), progress("asking the cluster store and all hosts"):
        found = answer("ClusterStatus")["Cluster"]
    click.echo(as_json(found) if machine else as_text(found))
    context.exit(int(bool(found["problems"])))


@cluster.command("forget", examples=["pynet cluster forget node7"], see=["pynet cluster status"])
@click.argument("host")
@with_json
def cluster_forget(*, host: str, machine: bool) -> None:
    """Free the addresses of HOST (a name or an id), which is dead and will not come back."""
    from cli.client.serving import answer
    from cli.commands.cluster import forgotten

    with refusals(), progress(f"forgetting host '{host}'"):
        found = answer("ForgetHost", Host=host)
    click.echo(as_json(forgotten(found)) if machine else found["Sentence"])


@cluster.command("rekey", examples=["pynet cluster rekey"], see=["pynet cluster status"])
@with_json
def cluster_rekey(*, machine: bool) -> None:
    """Let all hosts change the keys of encrypted networks (pynet.encrypt=wireguard), without losing a packet."""
    from cli.client.serving import answer
    from cli.commands.cluster import key_change

    with refusals(), progress("changing keys"):
        found = answer("ChangeKeys")
    click.echo(as_json(key_change(found)) if machine else found["Sentence"])
