"""The ``pynet`` command: a function a subcommand. Each loads its modules when it is called."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.tables import as_json
from netlink.errors import KernelError
from plugin.errors import PynetError

if TYPE_CHECKING:
    from cli.listing import ListFlags, Row


@contextmanager
def _refusals(code: int = 1) -> Iterator[None]:
    """Print an error of pynet or of the kernel as one sentence, and exit with ``code``."""
    try:
        yield
    except (KernelError, PynetError) as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(code) from error
    except PermissionError as error:
        click.echo(f"Error: open '{error.filename}': permission denied; run it as root", err=True)
        raise click.exceptions.Exit(code) from error


def _examples(*lines: str) -> str:
    """Return the end of a help text."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def _of_lists(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of Docker's lists; it gets them as ``flags``."""

    @click.option("--format", "form", default="", help="Print with a template such as '{{.Names}}', or json, or table.")
    @click.option("-q", "--quiet", is_flag=True, help="Print ids alone.")
    @click.option("--no-trunc", "whole", is_flag=True, help="Print whole ids and commands.")
    @click.option("--json", "machine", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def with_look(*, form: str, quiet: bool, whole: bool, machine: bool, **others: Any) -> None:
        from cli.listing import ListFlags

        command(flags=ListFlags(form, quiet, whole, machine), **others)

    return with_look


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pynet", prog_name="pynet", message="%(prog)s version %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Network driver and address manager for Docker Engine."""
    import os

    if os.environ.get("NO_COLOR"):  # no-color.org
        context.color = False


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def version(*, machine: bool) -> None:
    """Print the versions of this command, of the running pynet and of the engine."""
    from cli.commands.version import as_text, versions

    found = versions()
    click.echo(as_json(found) if machine else as_text(found))


@main.command()
def serve() -> None:
    """Serve Docker's network and address manager protocols on a unix socket."""
    from cli.server.serve import run

    run()


@main.command(epilog=_examples("pynet ports", "pynet ports web", "pynet ports web 80"))
@click.argument("container", default="")
@click.argument("port", default="")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of a table.")
def ports(*, container: str, port: str, machine: bool) -> None:
    """Print which port of the host leads to which container.

    With CONTAINER, a name or an id, the output is that of "docker port CONTAINER", which does not know the ports of
    pynet; with PORT, such as 80 or 53/udp, only its addresses are printed.
    """
    from cli.client.serving import answer
    from cli.commands.ports import as_docker_port, as_text, of_container, rows_of
    from cli.engine.api import endpoint_names
    from cli.engine.containers import container as engine_container

    with _refusals():
        if container:
            found = engine_container(container)
            leads = of_container(rows_of(answer("Ports"), {}), found)
            text = as_docker_port(leads, container, port)
            click.echo(as_json(leads) if machine else text, nl=machine or bool(text))
            return
        rows = rows_of(answer("Ports"), endpoint_names())
    click.echo(as_json(rows) if machine else as_text(rows))


@main.command(epilog=_examples("pynet ps", 'pynet ps --filter network=blue --format "{{.Names}}: {{.Ports}}"'))
@click.option("-a", "--all", "stopped", is_flag=True, help="Show containers that do not run, too.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="Show those that match.")
@_of_lists
def ps(*, stopped: bool, filters: Sequence[str], flags: "ListFlags") -> None:
    """Print the containers as "docker ps" does, with the ports that pynet publishes.

    Filters are those of "docker ps", such as name=web or network=blue.
    """
    from cli.client.serving import answer
    from cli.commands import ps as command
    from cli.commands.ports import rows_of
    from cli.engine.containers import containers
    from cli.listing import listed

    with _refusals():
        found = containers(command.filters_of(filters), stopped=stopped)
        rows = command.rows_of(found, rows_of(answer("Ports"), {}))
        click.echo(listed(rows, command.COLUMNS, flags))


@main.group()
def network() -> None:
    """List and inspect the networks of pynet."""


@network.command("ls", epilog=_examples("pynet network ls", "pynet network ls -q --no-trunc"))
@_of_lists
def network_ls(*, flags: "ListFlags") -> None:
    """Print a line for each network: its mode, its link on the host, its subnets and its number of endpoints."""
    from cli.commands.networks import NETWORK_COLUMNS
    from cli.listing import listed

    with _refusals():
        click.echo(listed(_networks(), NETWORK_COLUMNS, flags))


@network.command("inspect", epilog=_examples("pynet network inspect blue"))
@click.argument("networks", nargs=-1, required=True)
def network_inspect(*, networks: Sequence[str]) -> None:
    """Print everything about NETWORKS, which are names or ids, as one JSON document."""
    from cli.commands.networks import chosen

    with _refusals():
        click.echo(as_json(chosen(_networks(), networks, "name")))


@main.group()
def endpoint() -> None:
    """List and inspect the endpoints of containers."""


@endpoint.command("ls", epilog=_examples("pynet endpoint ls", "pynet endpoint ls --format '{{.Container}} {{.Link}}'"))
@click.option("--network", "of", default="", metavar="NETWORK", help="Only those of one network.")
@_of_lists
def endpoint_ls(*, of: str, flags: "ListFlags") -> None:
    """Print a line for each endpoint: its container, its network, its link on the host and its addresses."""
    from cli.commands.networks import ENDPOINT_COLUMNS, chosen
    from cli.listing import listed

    with _refusals():
        found = chosen(_networks(), [of], "name") if of else _networks()
        rows = [end for network in found for end in network["endpoints"]]
        click.echo(listed(rows, ENDPOINT_COLUMNS, flags))


@endpoint.command("inspect", epilog=_examples("pynet endpoint inspect web"))
@click.argument("endpoints", nargs=-1, required=True)
def endpoint_inspect(*, endpoints: Sequence[str]) -> None:
    """Print everything about ENDPOINTS, which are names of containers or ids of endpoints, as one JSON document."""
    from cli.commands.networks import chosen

    with _refusals():
        rows = [end for network in _networks() for end in network["endpoints"]]
        click.echo(as_json(chosen(rows, endpoints, "container")))


def _networks() -> "list[Row]":
    from cli.client.serving import answer
    from cli.commands.networks import DockerNames, rows_of
    from cli.engine.api import all_names

    return rows_of(answer("Networks"), DockerNames(*all_names()))


@main.group()
def cluster() -> None:
    """Show the hosts that share networks with this one, or forget a dead one."""


@cluster.command("status")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of tables.")
@click.pass_context
def cluster_status(context: click.Context, *, machine: bool) -> None:
    """Print hosts and shared networks; exit 1 when something is wrong, 2 when the store does not answer."""
    from cli.client.serving import answer
    from cli.commands.cluster import as_text

    with _refusals(2):
        found = answer("ClusterStatus")["Cluster"]
    click.echo(as_json(found) if machine else as_text(found))
    context.exit(1 if found["problems"] else 0)


@cluster.command("forget")
@click.argument("host")
def cluster_forget(host: str) -> None:
    """Free the addresses of HOST (a name or an id), which is dead and will not come back."""
    from cli.client.serving import answer

    with _refusals():
        click.echo(answer("ForgetHost", Host=host)["Sentence"])


@main.command()
@click.option("--dry-run", is_flag=True, help="Print the repairs that are due, but make none; exit 1 if there are any.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def reconcile(*, dry_run: bool, machine: bool) -> None:
    """Compare networks with the kernel now, and let the running pynet repair changes that others made."""
    import sys

    from cli.client.serving import answer
    from cli.commands.reconcile import as_lines, repair_rows

    with _refusals(2):
        repairs = repair_rows(answer("Look" if dry_run else "Reconcile")["Repairs"])
    if repairs or machine:
        click.echo(as_json(repairs) if machine else as_lines(repairs))
    sys.exit(int(any(dry_run or repair["error"] for repair in repairs)))


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def status(*, machine: bool) -> None:
    """Print the running pynet: version, networks, pools, repairs; exit 1 when something cannot be repaired."""
    import sys

    from cli.client.serving import answer
    from cli.commands.status import Answered, as_data, as_text
    from cli.engine.api import version_and_names

    with _refusals(2):
        reply, about = answer("Status"), answer("About")
        networks, pools = answer("Networks")["Networks"], answer("Pools")["Pools"]
    data = as_data(Answered(about, reply, networks, pools, *version_and_names()))
    click.echo(as_json(data) if machine else as_text(data))
    sys.exit(int(bool(data["failing"])))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Write a copy of the state to FILE, which must not exist yet; pynet may keep running."""
    from cli.client.serving import answer
    from cli.commands.backup import save

    with _refusals():
        click.echo(save(answer("Backup"), file))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Replace the state by the backup FILE, and set the old state aside; pynet must not run."""
    import os

    from cli.commands.backup import restore_from

    with _refusals():
        click.echo(restore_from(file, os.environ))


@main.command()
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each check that found nothing, too.")
@click.option("--json", "machine", is_flag=True, help="Print the findings as JSON.")
def doctor(*, verbose: bool, machine: bool) -> None:
    """Print what is wrong with this host, and how to fix it; exit 2 for an error, 1 for a warning."""
    import os
    import sys

    from cli.commands.doctor import as_text, diagnose
    from plugin.doctor.checks import exit_code

    with _refusals():
        found = diagnose(os.environ)
    click.echo(as_json(found.findings) if machine else as_text(found, every=verbose))
    sys.exit(exit_code(found.findings))


@main.command()
def settings() -> None:
    """Print the settings of the running pynet, and the table that documents them."""
    from cli.client.serving import answer
    from cli.commands.about import as_text

    with _refusals():
        click.echo(as_text(answer("About")))


@main.command()
def options() -> None:
    """Print the options of ``docker network create -o``, and those of ``docker network connect --driver-opt``."""
    from plugin.modes.registry import network_options
    from plugin.options.network import EndpointSettings
    from plugin.options.option import option_table

    click.echo(f"{option_table(network_options())}\n\n{option_table(EndpointSettings.options())}")


if __name__ == "__main__":
    main()
