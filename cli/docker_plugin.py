"""``docker pynet``: the ``pynet`` command as a plugin of the Docker CLI.

The CLI asks ``docker-pynet docker-cli-plugin-metadata`` for a JSON object, and calls ``docker-pynet FLAGS pynet WORDS``
for ``docker FLAGS pynet WORDS`` (docker/cli, cli-plugins/manager/metadata.go).
"""

import json
import sys
from collections.abc import Sequence

import click

METADATA = "docker-cli-plugin-metadata"
NAME = "pynet"


def main() -> None:
    """Answer the question of the CLI, or run the command."""
    from cli.main import main as command

    if sys.argv[1:] == [METADATA]:
        click.echo(json.dumps(metadata()))
        return
    command(args=words(sys.argv[1:]), prog_name=f"docker {NAME}")


def metadata() -> dict[str, str]:
    """Return what the CLI wants to know; it shows version and description in ``docker info`` and ``docker --help``."""
    from cli.server.answers import own_version

    return {
        "SchemaVersion": "0.1.0",
        "Vendor": "the pynet authors",
        "Version": own_version(),
        "ShortDescription": "Show networks, endpoints and published ports of pynet",
    }


def words(argv: Sequence[str]) -> list[str]:
    """Return the words behind the name of the plugin; the CLI puts its global flags before it."""
    return list(argv[argv.index(NAME) + 1 :] if NAME in argv else argv)
