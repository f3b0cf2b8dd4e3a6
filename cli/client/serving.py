"""Which pynet a command is about: the one that serves, whose settings and state it asks for; else the files.

Where it serves: the socket that PYNET_SOCKET names, in the environment or for the packaged unit; else the usual one, or
that of a managed plugin, which has a folder of its own (moby plugin manager: /run/docker/plugins/ID).
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.client.service import QUICK, NotServing, ask
from cli.settings import SOCKET, Settings, in_force, read_settings
from cli.systemd_unit import FILE, unit_settings
from netlink.errors import reason
from plugin.errors import Failed, Unprivileged

PLUGINS = Path("/run/docker/plugins")
OF_FILES = frozenset({"Ports", "Look", "Backup"})  # verbs that need the state


@dataclass(frozen=True, slots=True)
class Serving:
    """A pynet that serves, and what it says of itself (Pynet.About)."""

    socket: Path
    about: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """Its settings in force, as text."""
        return {setting["Key"]: setting["Value"] for setting in self.about["Settings"]}


def sockets(environment: Mapping[str, str], unit: Mapping[str, str], plugins: Path = PLUGINS) -> list[Path]:
    """Return where a pynet may serve, the likeliest first."""
    if named := environment.get(SOCKET.key):
        return [Path(named)]
    usual = [Path(unit.get(SOCKET.key) or SOCKET.default), plugins / SOCKET.default.name]
    managed: list[Path] = []
    with suppress(PermissionError):  # who may not look there may not ask either, as the usual one will tell
        managed = sorted(plugins.glob(f"*/{SOCKET.default.name}"))
    return list(dict.fromkeys([*usual, *managed]))


def find_serving(environment: Mapping[str, str], patience: float = QUICK, plugins: Path = PLUGINS) -> Serving:
    """Return the pynet that serves.

    Raises:
        NotServing: there is none.
        NotAllowed, NoAnswer: there is one, and this user may not ask it, or it does not answer.
        Failed: it serves only to say why it cannot, as with a bad setting.
    """
    nobody: list[NotServing] = []
    for path in sockets(environment, unit_settings(), plugins):
        try:
            return Serving(path, ask(path, "About", patience))
        except NotServing as error:
            nobody.append(error)
    raise nobody[0]


def answer(verb: str, **body: str) -> Mapping[str, Any]:
    """Return the reply to ``Pynet.VERB`` of the pynet that serves; else what its files say, and a note that they do.

    Raises:
        KernelError, PynetError: nobody can tell.
    """
    try:
        serving = find_serving(os.environ)
    except NotServing as nobody:
        return _from_files(nobody, verb, body)
    _say_what_is_not_used(serving)
    return ask(serving.socket, verb, body=body)


def configured(environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Return the settings that a pynet would be started with, and where they are from in words.

    Raises:
        InvalidRequest: one of them is bad.
        Failed: the file of the packaged unit cannot be read.
    """
    unit = unit_settings()
    source = f"the settings of the environment and of '{FILE}'" if unit else "the settings of the environment"
    return read_settings({**unit, **environment}), source


def _from_files(nobody: NotServing, verb: str, body: Mapping[str, str]) -> Mapping[str, Any]:
    from cli.server.answers import Answers, NobodyServes
    from handlers.service import SERVICE_VERBS
    from handlers.verbs import bind
    from plugin.store.sqlite.readonly import ReadOnlyStore

    settings, source = configured(os.environ)
    if verb in OF_FILES:
        _see_that_it_is_there(settings, nobody)
    if verb not in ("Reconcile", "Status"):
        click.echo(f"note: {nobody}; until then this is from '{settings.state_dir}', by {source}", err=True)
    outside = NobodyServes(settings, nobody)
    answers = Answers(settings, ReadOnlyStore(settings.database), outside, outside.look)
    served = bind("Pynet", SERVICE_VERBS, answers)[f"Pynet.{verb}"]
    reply: Mapping[str, Any] = served.serve(dict(body))
    return reply


def _see_that_it_is_there(settings: Settings, nobody: NotServing) -> None:
    try:
        with settings.database.open("rb"):
            return
    except FileNotFoundError:
        raise Failed(f"{nobody}; and there is no state in '{settings.state_dir}' to read instead") from None
    except PermissionError:
        raise Unprivileged(f"read the state in '{settings.state_dir}': permission denied; run it as root") from None
    except OSError as error:
        raise Failed(f"read the state in '{settings.state_dir}': {reason(error)}") from error


def _say_what_is_not_used(serving: Serving) -> None:
    """Whoever sets a variable for a command must know that the pynet that serves has another value."""
    has = serving.settings
    for mine in in_force(read_settings(os.environ)):
        if mine.key != SOCKET.key and mine.key in os.environ and mine.value != has.get(mine.key, mine.value):
            click.echo(f"note: {mine.key} is not used: the pynet that serves has '{has[mine.key]}'", err=True)
