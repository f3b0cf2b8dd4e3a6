"""The ``pynet`` command: one line a subcommand, each in a module that is loaded only when it is used."""

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
