"""The ``pynet`` command: a function a subcommand. Each loads its modules when it is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.tables import as_json
from netlink.errors import KernelError
from plugin.errors import PynetError


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Network driver and address manager for Docker Engine."""


@main.command()
def serve() -> None:
    """Serve Docker's network and address manager protocols on a unix socket."""
    from cli.server.serve import run

    run()


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of a table.")
def ports(*, machine: bool) -> None:
    """Print which port of the host leads to which container."""
    from cli.client.serving import answer
    from cli.commands.ports import as_text, rows_of
    from cli.engine.api import endpoint_names

    with _refusals():
        rows = rows_of(answer("Ports"), endpoint_names())
    click.echo(as_json(rows) if machine else as_text(rows))


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
    from cli.commands.reconcile import as_lines

    with _refusals(2):
        repairs = answer("Look" if dry_run else "Reconcile")["Repairs"]
    if repairs or machine:
        click.echo(as_json(repairs) if machine else as_lines(repairs))
    sys.exit(int(any(dry_run or repair["Error"] for repair in repairs)))


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def status(*, machine: bool) -> None:
    """Print the repairs that the running pynet made, and the frames that its guard dropped, since its start."""
    from cli.client.serving import answer
    from cli.commands.reconcile import as_status
    from cli.engine.api import network_names

    with _refusals():
        reply = answer("Status")
    click.echo(as_json(reply) if machine else as_status(reply, network_names()))


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
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of sentences.")
def doctor(*, machine: bool) -> None:
    """Print what is wrong with this host, and how to fix it; exit 2 for an error, 1 for a warning."""
    import os
    import sys

    from cli.commands.doctor import as_text, diagnose
    from plugin.doctor.checks import exit_code

    with _refusals():
        findings = diagnose(os.environ)
    click.echo(as_json(findings) if machine else as_text(findings))
    sys.exit(exit_code(findings))


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
