"""Finds the pynet that a command is about: the running one, or its files while none runs.

Its socket is the one that PYNET_SOCKET names, in the environment or for the packaged unit. Otherwise it is the usual
one, or the socket of a managed plugin, which has its own folder (moby plugin manager: /run/docker/plugins/ID).
"""

import http.client
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.engine.unix_http import UnixConnection
from cli.exit_codes import Unreachable
from cli.settings import Settings, in_force, read_settings
from cli.systemd_unit import FILE, how_to_start, unit_settings
from netlink.errors import reason
from plugin.errors import Failed, InvalidRequest, PynetError, Unprivileged

PATIENCE = 30.0  # seconds; a repair may wait for a request that holds a network's lock
QUICK = 5.0  # seconds for a verb that waits for nothing; while pynet starts it answers after its recovery


class NotServing(Unreachable):
    """Nobody listens on the socket, or there is none."""


class NoAnswer(Unreachable):
    """A process listens and did not answer in time: it hangs, or it is still bringing the host in line."""


def ask(socket: Path, verb: str, patience: float = PATIENCE, body: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the reply to ``Pynet.VERB``, which has ``patience`` seconds.

    Raises:
        NotServing, NoAnswer: see these classes.
        Unprivileged: the socket exists, and this user may not use it.
        Failed: the reply is an error, or cannot be read.
    """
    connection = UnixConnection(str(socket), patience)
    try:
        connection.request("POST", f"/Pynet.{verb}", json.dumps(body) if body else None)
        answer = connection.getresponse()
        reply: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _why(socket, error, patience) from error
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        raise Failed(f"ask the pynet that serves '{socket}': it is older than this command; restart it")
    if answer.status == http.client.BAD_REQUEST:
        raise InvalidRequest(str(reply.get("Err", answer.reason)))
    if answer.status != http.client.OK:
        raise Failed(f"ask the pynet that serves '{socket}': {reply.get('Err', answer.reason)}")
    return reply


def _why(socket: Path, error: Exception, patience: float) -> PynetError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return NotServing(f"no pynet serves '{socket}'; {how_to_start()}")
        case PermissionError():
            return Unprivileged(f"ask the pynet that serves '{socket}': permission denied; run it as root")
        case TimeoutError() | BlockingIOError():  # BlockingIOError: the queue of the socket is full
            return NoAnswer(
                f"ask the pynet that serves '{socket}': it accepts calls and did not answer within {patience:g} s: it "
                "hangs, or it is still bringing the host in line after its start"
            )
        case _:
            return Failed(f"ask the pynet that serves '{socket}': {str(error) or type(error).__name__}")


PLUGINS = Path("/run/docker/plugins")
NEED_STATE = frozenset({"Ports", "Networks", "Pools", "Look", "Backup"})  # verbs


@dataclass(frozen=True, slots=True)
class Serving:
    """A running pynet: its socket, and its reply to Pynet.About."""

    socket: Path
    about: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """Its settings in force, as text."""
        return {setting["Key"]: setting["Value"] for setting in self.about["Settings"]}


def sockets(environment: Mapping[str, str], unit: Mapping[str, str], plugins: Path = PLUGINS) -> list[Path]:
    """Return the sockets on which a pynet may serve, the likeliest first."""
    if named := environment.get(Settings.socket.key):
        return [Path(named)]
    usual = [Path(unit.get(Settings.socket.key) or Settings.socket.default), plugins / Settings.socket.default.name]
    managed: list[Path] = []
    with suppress(PermissionError):  # who may not read the folder may not ask either; the usual socket will say so
        managed = sorted(plugins.glob(f"*/{Settings.socket.default.name}"))
    return list(dict.fromkeys([*usual, *managed]))


def find_serving(environment: Mapping[str, str], patience: float = QUICK, plugins: Path = PLUGINS) -> Serving:
    """Return the running pynet.

    Raises:
        NotServing: there is none.
        Unprivileged, NoAnswer: this user may not ask it, or it does not answer.
        Failed: it cannot start, as with a bad setting, and answers with the reason.
    """
    nobody: list[NotServing] = []
    for path in sockets(environment, unit_settings(), plugins):
        try:
            return Serving(path, ask(path, "About", patience))
        except NotServing as error:
            nobody.append(error)
    raise nobody[0]


def answer(verb: str, **body: str) -> Mapping[str, Any]:
    """Return the reply of the running pynet to ``Pynet.VERB``; while none runs, answer from its files and say so.

    Raises:
        KernelError, PynetError: neither can answer.
    """
    try:
        serving = find_serving(os.environ)
    except NotServing as nobody:
        return _from_files(nobody, verb, body)
    _note_unused(serving)
    return ask(serving.socket, verb, body=body)


def configured(environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Return the settings that pynet would be started with, and words that say where they are from.

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
    from plugin.store.sqlite.store import ReadOnlyStore

    settings, source = configured(os.environ)
    if verb in NEED_STATE:
        _check_readable(settings, nobody)
    if verb not in ("Reconcile", "Status"):
        click.echo(f"note: {nobody}; until then this is from '{settings.state_dir}', by {source}", err=True)
    outside = NobodyServes(settings, nobody)
    answers = Answers(settings, ReadOnlyStore(settings.database), outside, outside.look)
    served = bind("Pynet", SERVICE_VERBS, answers)[f"Pynet.{verb}"]
    reply: Mapping[str, Any] = served.serve(dict(body))
    return reply


def _check_readable(settings: Settings, nobody: NotServing) -> None:
    try:
        with settings.database.open("rb"):
            return
    except FileNotFoundError:
        raise NotServing(f"{nobody}; and there is no state in '{settings.state_dir}' to read instead") from None
    except PermissionError:
        raise Unprivileged(f"read the state in '{settings.state_dir}': permission denied; run it as root") from None
    except OSError as error:
        raise Failed(f"read the state in '{settings.state_dir}': {reason(error)}") from error


def _note_unused(serving: Serving) -> None:
    """Tell the user of each variable that has another value than in the running pynet."""
    has = serving.settings
    for mine in in_force(read_settings(os.environ)):
        if mine.key != Settings.socket.key and mine.key in os.environ and mine.value != has.get(mine.key, mine.value):
            click.echo(f"note: {mine.key} is not used: the pynet that serves has '{has[mine.key]}'", err=True)
