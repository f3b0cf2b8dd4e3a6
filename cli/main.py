"""The ``pynet`` command: one line a subcommand, each in a module that is loaded only when it is used."""

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Network driver and address manager for Docker Engine."""


@main.command()
def serve() -> None:
    """Serve Docker's network and address manager protocols on a unix socket."""
    from cli.serve import run

    run()


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of a table.")
def ports(*, machine: bool) -> None:
    """Print which port of the host leads to which container."""
    import os

    from cli.engine import endpoint_names
    from cli.ports import as_json, as_table, published
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        rows = published(read_settings(os.environ).database, endpoint_names())
    except PynetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(as_json(rows) if machine else as_table(rows))


@main.group()
def cluster() -> None:
    """Look at the hosts that share networks with this one."""


@cluster.command("status")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of tables.")
@click.pass_context
def cluster_status(context: click.Context, *, machine: bool) -> None:
    """Print hosts and shared networks; exits 1 when something is wrong, 2 when the store cannot be asked."""
    import os

    from cli import cluster_command
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        found = cluster_command.status(read_settings(os.environ))
    except PynetError as error:
        click.echo(f"Error: {error}", err=True)
        context.exit(2)
    click.echo(cluster_command.as_json(found) if machine else cluster_command.as_text(found))
    context.exit(1 if found.problems else 0)


@cluster.command("forget")
@click.argument("host")
def cluster_forget(host: str) -> None:
    """Free the addresses of HOST, a name or an id, which is dead and does not come back."""
    import os

    from cli import cluster_command
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        click.echo(cluster_command.forget(read_settings(os.environ), host))
    except PynetError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--dry-run", is_flag=True, help="Print what would be repaired; exit 1 if there is anything, 0 if not.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def reconcile(*, dry_run: bool, machine: bool) -> None:
    """Compare networks with the kernel now, and let the pynet that serves repair what others changed."""
    import os
    import sys

    from cli.reconcile import as_json, as_lines, as_replies, look
    from cli.service import ask
    from cli.settings import read_settings
    from netlink.errors import KernelError
    from plugin.errors import PynetError

    try:
        chosen = read_settings(os.environ)
        repairs = as_replies(look(chosen)) if dry_run else ask(chosen.socket, "Reconcile")["Repairs"]
    except (KernelError, PynetError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    if repairs or machine:
        click.echo(as_json(repairs) if machine else as_lines(repairs))
    sys.exit(int(any(dry_run or repair["Error"] for repair in repairs)))


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of lines.")
def status(*, machine: bool) -> None:
    """Print what the pynet that serves has repaired since its start, and what it cannot repair."""
    import os

    from cli.reconcile import as_json, as_status
    from cli.service import ask
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        reply = ask(read_settings(os.environ).socket, "Status")
    except PynetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(as_json(reply) if machine else as_status(reply))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Write a copy of the state to FILE, which must not exist; pynet may run meanwhile."""
    import os

    from cli.backup import backup_to
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        click.echo(backup_to(read_settings(os.environ), file))
    except PynetError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put the backup FILE in the place of the state, which is set aside; pynet must not run."""
    import os

    from cli.backup import restore_from
    from cli.settings import read_settings
    from plugin.errors import PynetError

    try:
        click.echo(restore_from(read_settings(os.environ), file))
    except PynetError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of sentences.")
def doctor(*, machine: bool) -> None:
    """Say what is wrong with this host and what to do; exits 2 for an error, 1 for a warning."""
    import os
    import sys

    from cli.doctor import as_json, as_text, diagnose
    from cli.settings import read_settings
    from plugin.doctor.checks import exit_code
    from plugin.errors import PynetError

    try:
        findings = diagnose(read_settings(os.environ))
    except PynetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(as_json(findings) if machine else as_text(findings))
    sys.exit(exit_code(findings))


@main.command()
def settings() -> None:
    """Print the settings in force, and the table that documents them."""
    import os

    from cli.settings import SETTINGS, describe, read_settings

    click.echo(describe(read_settings(os.environ), SETTINGS))


@main.command()
def options() -> None:
    """Print the table of the options of ``docker network create -o``."""
    from plugin.network_options import NETWORK_OPTIONS
    from plugin.options import option_table

    click.echo(option_table(NETWORK_OPTIONS))


if __name__ == "__main__":
    main()
