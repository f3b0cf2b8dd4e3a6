"""The ``pynet`` command: a function a subcommand. Each loads its modules when it is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.command_line import Commands, of_lists, refusals, with_json
from cli.groups import cluster, endpoint, network, reset
from cli.naming import dns
from cli.progress import progress
from cli.reachability import path, policy
from cli.tables import as_json
from cli.tracing import drops, trace
from cli.traffic import capture, flows, top

if TYPE_CHECKING:
    from cli.listing import ListFlags


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pynet", prog_name="pynet", message="%(prog)s version %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Network driver and address manager for Docker Engine.

    The commands ask the pynet that serves on this host. While none runs, those that only show something read its
    files, and say so.
    """
    import os

    if os.environ.get("NO_COLOR"):  # no-color.org
        context.color = False


for command in (network, endpoint, reset, cluster, path, policy, dns, top, flows, capture, drops, trace):
    main.add_command(command)


@main.command(examples=["pynet version", "pynet version --json"])
@with_json
def version(*, machine: bool) -> None:
    """Print the versions of this command, of the running pynet, of the engine and of the kernel."""
    from cli.commands.version import as_text, versions

    found = versions()
    click.echo(as_json(found) if machine else as_text(found))


@main.command(
    examples=["pynet serve", "PYNET_LOG_LEVEL=debug pynet serve"],
    codes={
        65: "A newer pynet wrote the state; a service manager should not try again.",
        75: "Another pynet uses the socket, the name or the state.",
        77: "This user lacks capabilities; a service manager should not try again.",
        78: "A setting is bad; a service manager should not try again.",
    },
    see=["pynet settings", "pynet doctor"],
)
def serve() -> None:
    """Serve Docker's network and address manager protocols on a unix socket.

    The settings are environment variables, see "pynet settings". It ends with SIGTERM; containers keep their networks.
    """
    from cli.server.serve import run

    run()


@main.command(
    examples=["pynet ports", "pynet ports web", "pynet ports web 80", "pynet ports --json | jq '.[].host_port'"],
    codes={0: "The ports were printed.", 1: "There is no such container, or it does not publish this port."},
    see=["pynet ps", "docker port"],
)
@click.argument("container", default=None, required=False)
@click.argument("port", default="")
@with_json
def ports(*, container: str | None, port: str, machine: bool) -> None:
    """Print which port of the host leads to which container.

    With CONTAINER, a name or an id, the output is that of "docker port CONTAINER", which does not know the ports of
    pynet; with PORT, such as 80 or 53/udp, only its addresses are printed.
    """
    from cli.client.serving import answer
    from cli.commands.name_book import NameBook
    from cli.commands.ports import as_docker_port, as_text, of_container, rows_of
    from cli.engine.containers import container as engine_container
    from cli.engine.inventory import inventory

    with refusals(), progress("asking pynet and the engine for ports"):
        told = inventory()
        rows = rows_of(answer("Ports"), told.known)
        if container is not None:
            found = NameBook(answer("Networks")["Networks"], told).container(container)
            rows = of_container(rows, engine_container(found.id or container), port)
    text = as_text(rows) if container is None else as_docker_port(rows, addresses_only=bool(port))
    click.echo(as_json(rows) if machine else text, nl=machine or bool(text))


@main.command(
    examples=["pynet ps", "pynet ps --all", 'pynet ps --filter network=blue --format "{{.Names}}: {{.Ports}}"'],
    see=["pynet ports", "docker ps"],
)
@click.option("-a", "--all", "stopped", is_flag=True, help="Show containers that do not run, too.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="Show those that match.")
@of_lists
def ps(*, stopped: bool, filters: Sequence[str], flags: "ListFlags") -> None:
    """Print the containers as "docker ps" does, with the ports that pynet publishes.

    Filters are those of "docker ps", such as name=web or network=blue.
    """
    from cli.client.serving import answer
    from cli.commands import ps as command
    from cli.commands.ports import rows_of
    from cli.engine.containers import containers
    from cli.listing import listed

    with refusals():
        with progress("asking pynet and the engine for containers"):
            found = containers(command.filters_of(filters), stopped=stopped)
            rows = command.rows_of(found, rows_of(answer("Ports")))
        click.echo(listed(rows, command.COLUMNS, flags))


@main.command(
    examples=["pynet publish web 8080:80", "pynet publish web blue 127.0.0.1:5353:53/udp", "pynet publish web 80"],
    codes={0: "All of them are published.", 75: "A port is taken; nothing was changed."},
    see=["pynet unpublish", "pynet ports"],
)
@click.argument("container")
@click.argument("words", nargs=-1, required=True, metavar="[NETWORK] PORTS...")
@with_json
def publish(*, container: str, words: Sequence[str], machine: bool) -> None:
    """Publish PORTS of CONTAINER, a name or an id, on the host while it runs, beside those of "docker run -p".

    Ports have the form of "docker run -p": 8080:80, 127.0.0.1:8080:80/tcp, [::1]:53:53/udp, 8000-8010:80, or 80 for
    any free port of the host. NETWORK is the container's gateway; it is needed if the container is in several networks
    of pynet. The ports go when the container stops or leaves the network.
    """
    from cli.commands.changes import change_endpoint, split_network
    from cli.commands.publish import bindings_of, is_port

    with refusals():
        of, ports = split_network(words, is_port)
        bindings = bindings_of(ports)
        with progress(f"publishing ports of '{container}'"):
            row, text = change_endpoint(container, of, "PublishPorts", {"Ports": bindings})
    click.echo(as_json(row) if machine else text)


@main.command(
    examples=["pynet unpublish web 8080", "pynet unpublish web blue 5353/udp"],
    codes={0: "None of them is published any more.", 1: "One of them was not published; nothing was changed."},
    see=["pynet publish", "pynet reset endpoint", "pynet ports"],
)
@click.argument("container")
@click.argument("words", nargs=-1, required=True, metavar="[NETWORK] PORTS...")
@with_json
def unpublish(*, container: str, words: Sequence[str], machine: bool) -> None:
    """Withdraw PORTS of the host, such as 8080 or 53/udp, from CONTAINER while it runs, also those of "docker run -p".

    NETWORK is needed if the container is in several networks of pynet.
    """
    from cli.commands.changes import change_endpoint, split_network
    from cli.commands.publish import is_port, places_of

    with refusals():
        of, ports = split_network(words, is_port)
        places = places_of(ports)
        with progress(f"withdrawing ports of '{container}'"):
            row, text = change_endpoint(container, of, "UnpublishPorts", {"Ports": places})
    click.echo(as_json(row) if machine else text)


@main.command(
    examples=["pynet reconcile", "pynet reconcile --dry-run"],
    codes={0: "The kernel is as it should be.", 1: "A repair failed; with --dry-run: a repair is due."},
    see=["pynet status", "pynet doctor"],
)
@click.option("--dry-run", is_flag=True, help="Print the repairs that are due, but make none.")
@with_json
@click.pass_context
def reconcile(context: click.Context, *, dry_run: bool, machine: bool) -> None:
    """Compare networks with the kernel now, and let the running pynet repair changes that others made.

    Each repair is a line. pynet does the same by itself whenever something changes.
    """
    from cli.client.serving import answer
    from cli.commands.reconcile import as_outcomes, repair_rows
    from cli.engine.api import known_names

    with refusals(), progress("comparing all networks with the kernel"):
        repairs = repair_rows(answer("Look" if dry_run else "Reconcile")["Repairs"], known_names)
    if machine:
        click.echo(as_json(repairs))
    elif repairs:
        click.echo(as_outcomes(repairs, due=dry_run))
    else:
        click.echo("the kernel is as it should be; nothing to repair")
    context.exit(int(any(dry_run or repair["error"] for repair in repairs)))


@main.command(
    examples=["pynet status", "pynet status --json | jq .pools"],
    codes={0: "All is well.", 1: "A check of its health found something, or the cluster has a problem."},
    see=["pynet doctor", "pynet network ls"],
)
@with_json
@click.pass_context
def status(context: click.Context, *, machine: bool) -> None:
    """Print the state of the running pynet: version, networks, pools, repairs, and what it cannot repair."""
    from cli.client.serving import answer
    from cli.commands.status import Answered, as_data, as_text, ask_cluster, ask_health, is_well
    from cli.engine.api import version_and_names

    with refusals(), progress("asking pynet for its status"):
        reply, about, health = answer("Status"), answer("About"), ask_health(answer)
        networks, pools = answer("Networks")["Networks"], answer("Pools")["Pools"]
        cluster = ask_cluster(about, answer)
        data = as_data(Answered(about, reply, networks, pools, *version_and_names(), cluster, health))
    click.echo(as_json(data) if machine else as_text(data))
    context.exit(int(not is_well(data)))


@main.command(
    examples=["pynet logs -n 20", "pynet logs -f --level warning", "pynet logs --since 10m"],
    see=["pynet status", "docs/guide/troubleshooting.md"],
)
@click.option("-f", "--follow", is_flag=True, help="Wait for new lines, also after a restart of pynet.")
@click.option("-n", "--tail", type=click.IntRange(0), help="Print only the last lines.")
@click.option("--since", default="", metavar="TIME", help="Print lines after a time, or of an age such as 10m.")
@click.option(
    "--level", type=click.Choice(["debug", "info", "warning", "error"]), default="debug", help="Lowest level."
)
@click.option("--json", "machine", is_flag=True, help="Print one JSON object a line.")
def logs(*, follow: bool, tail: int | None, since: str, level: str, machine: bool) -> None:
    """Print the newest lines of the log of the running pynet, wherever it goes.

    pynet keeps the last 1,000 lines since its start, at most 256 kB. Earlier ones are in the journal ("journalctl -u
    pynet"), or in the log of the engine for the managed plugin.
    """
    import time

    from cli.client.serving import reader
    from cli.commands.logs import PAUSE, Wanted, as_json_line, as_text, following, lines, moment_of

    with refusals():
        wanted = Wanted(level, moment_of(since, time.time()) if since else 0.0, tail)
        read = reader("Log")
        found = following(read, wanted, lambda: time.sleep(PAUSE)) if follow else lines(read, wanted)
        for record in found:
            click.echo(as_json_line(record) if machine else as_text(record))


@main.command(
    examples=["pynet metrics", "pynet metrics --textfile /var/lib/prometheus/node-exporter/pynet.prom"],
    codes={0: "The metrics were printed or written.", 64: "The file's name does not end with .prom."},
    see=["pynet status", "docs/guide/metrics.md"],
)
@click.option("--textfile", type=click.Path(path_type=Path), help="Write to a file for node_exporter instead.")
def metrics(*, textfile: Path | None) -> None:
    """Print the metrics of the running pynet in Prometheus' text format.

    With --textfile the file is replaced as a whole; its name must end with .prom, or node_exporter does not read it.
    """
    from cli.commands.metrics import check_file, page, write_file

    with refusals():
        if textfile is None:
            click.echo(page(), nl=False)
        else:
            check_file(textfile)
            write_file(textfile, page())


@main.command(
    examples=["pynet page", "pynet page --port 8321", "pynet page --open"],
    codes={75: "Another process uses the port.", 130: "Ctrl-C ended it."},
    see=["pynet status", "pynet network ls", "docs/guide/page.md"],
)
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Serve on this port, by default a free one.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def page(*, port: int | None, show: bool) -> None:
    """Serve a page for a browser that shows networks, containers and ports, live, until Ctrl-C.

    It is on 127.0.0.1 only, and its address has a token that other users do not know. The page shows something and
    changes nothing.
    """
    from cli.page.serving import serve as serve_page

    with refusals():
        serve_page(port or 0, show=show)


@main.command(
    examples=["pynet backup /root/pynet-backup.db"],
    codes={0: "The file was written.", 75: "There is a file of that name already."},
    see=["pynet restore"],
)
@click.argument("file", type=click.Path(path_type=Path))
@with_json
def backup(*, file: Path, machine: bool) -> None:
    """Write a copy of the state to FILE, which must not exist yet. pynet may keep running."""
    from cli.client.serving import answer
    from cli.commands.backup import as_sentence, save

    with refusals(), progress(f"writing '{file}'"):
        saved = save(answer("Backup"), file)
    click.echo(as_json(saved) if machine else as_sentence(saved))


@main.command(
    examples=["systemctl stop pynet.socket pynet.service", "pynet restore /root/pynet-backup.db"],
    codes={0: "The state was replaced.", 74: "It was not, and is as before.", 75: "pynet runs; stop it first."},
    see=["pynet backup"],
)
@click.argument("file", type=click.Path(path_type=Path))
@with_json
def restore(*, file: Path, machine: bool) -> None:
    """Replace the state by the backup FILE, and set the old state aside. pynet must not run."""
    import os

    from cli.commands.backup import as_sentence, restore_from

    with refusals(), progress(f"restoring '{file}'"):
        restored = restore_from(file, os.environ)
    click.echo(as_json(restored) if machine else as_sentence(restored))


@main.command(
    examples=["pynet doctor", "pynet doctor -v", "pynet doctor --json | jq -r '.[].commands[]'"],
    codes={0: "Nothing is wrong, or there are notes only.", 1: "A warning was found.", 2: "An error was found."},
    see=["pynet status", "docs/guide/troubleshooting.md"],
)
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each check, also for those that found nothing.")
@with_json
@click.pass_context
def doctor(context: click.Context, *, verbose: bool, machine: bool) -> None:
    """Print what is wrong with this host, why, and how to mend it.

    The doctor changes nothing. It tries kernel features in a network namespace of its own, so it should run as root.
    """
    import os

    from cli.commands.doctor import as_data, as_text, diagnose
    from plugin.doctor.checks import exit_code

    with refusals(), progress("examining this host"):
        found = diagnose(os.environ)
    click.echo(as_json(as_data(found)) if machine else as_text(found, every=verbose))
    context.exit(exit_code(found.findings))


@main.command(examples=["pynet settings", "pynet settings --json"], see=["pynet options", "pynet serve"])
@with_json
def settings(*, machine: bool) -> None:
    """Print the settings of the running pynet, where they come from, and what they mean.

    Settings are environment variables of "pynet serve": of the unit, in /etc/default/pynet; of the managed plugin, by
    "docker plugin set".
    """
    from cli.client.serving import answer
    from cli.commands.about import as_text, setting_rows

    with refusals():
        rows = setting_rows(answer("About"))
    click.echo(as_json(rows) if machine else as_text(rows))


@main.command(
    examples=["pynet options", "docker network create -d pynet -o pynet.mode=bridge blue"], see=["pynet settings"]
)
@with_json
def options(*, machine: bool) -> None:
    """Print the options of "docker network create -o" and of "docker network connect --driver-opt"."""
    from cli.commands.options import as_text, option_rows

    rows = option_rows()
    click.echo(as_json(rows) if machine else as_text(rows))


if __name__ == "__main__":
    main()
