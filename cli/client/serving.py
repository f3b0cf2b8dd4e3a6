"""Finds the pynet that a command is about: the running one, or its files while none runs.

It is asked on its admin socket: the one that PYNET_ADMIN_SOCKET names, or the one that belongs to PYNET_SOCKET, each in
the environment or for the packaged unit. Otherwise it is the usual one, or that of a managed plugin, which is in the
host's folder of plugins. The engine's socket is never asked: that would start a stopped service.
"""

import http.client
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from cli.engine.unix_http import UnixConnection
from cli.exit_codes import Unreachable
from cli.settings import MOUNTED, PLUGINS, Settings, admin_place, in_force, read_settings
from cli.systemd_unit import FILE, how_to_start, unit_settings
from handlers.routes import ROUTES, Needs
from netlink.errors import reason
from netlink.listeners import unix_user
from plugin.errors import Conflict, Failed, InvalidRequest, NotFound, PynetError, Unprivileged
from plugin.model.names import lock_address

if TYPE_CHECKING:
    from handlers.verbs import Bound

PATIENCE = 30.0  # seconds; a repair may wait for a request that holds a network's lock
KIND = "Error-Kind"  # as handlers.app sends it
KINDS: Mapping[str, type[PynetError]] = {kind.__name__: kind for kind in (NotFound, Conflict)}
QUICK = 5.0  # seconds for a verb that waits for nothing; while pynet starts it answers after its recovery


class NotServing(Unreachable):
    """Nobody listens on the socket, or there is none."""


class NoAnswer(Unreachable):
    """A process listens and did not answer in time: it hangs, or it is still bringing the host in line."""


class Older(Failed):
    """The running pynet does not know the verb: it is older than this command."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request for ``path`` on the admin socket."""

    method: str
    path: str
    body: str | None = None


def ask(socket: Path, verb: str, patience: float = PATIENCE, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reply to a verb of ``handlers.routes``, which has ``patience`` seconds.

    Raises:
        NotServing, NoAnswer: see these classes.
        Unprivileged: this user may not use the socket, or not for this verb.
        NotFound, Conflict: the thing that was named is not there, or somebody else has it.
        Older: see this class.
        Failed: the reply is another error, or cannot be read.
    """
    method, path, _ = ROUTES[verb]
    if method == "GET":
        question = Question(method, f"{path}?{urlencode(body)}" if body else path)
    else:
        question = Question(method, path, json.dumps(body or {}))
    try:
        reply: dict[str, Any] = json.loads(fetch(socket, question, patience))
    except ValueError as error:
        raise _why(socket, error, patience) from error
    return reply


def fetch(socket: Path, question: Question, patience: float = PATIENCE) -> bytes:
    """Return the body of the answer to a question; raises as ``ask`` does."""
    connection = UnixConnection(str(socket), patience)
    try:
        connection.request(question.method, question.path, question.body)
        answer = connection.getresponse()
        body: bytes = answer.read()
        sentence = "" if answer.status == http.client.OK else str(json.loads(body).get("Err", answer.reason))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _why(socket, error, patience) from error
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        raise Older(f"ask the pynet that serves '{socket}': it is older than this command; restart it")
    if answer.status == http.client.BAD_REQUEST:
        raise InvalidRequest(sentence)
    if (named := answer.getheader(KIND, "")) in KINDS:
        raise KINDS[named](sentence)
    if answer.status != http.client.OK:
        kind = Unprivileged if answer.status == http.client.FORBIDDEN else Failed
        raise kind(f"ask the pynet that serves '{socket}': {sentence}")
    return body


def _why(socket: Path, error: Exception, patience: float) -> PynetError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return NotServing(f"no pynet serves '{socket}'; {how_to_start()}")
        case PermissionError():
            return Unprivileged(f"ask the pynet that serves '{socket}': permission denied; {HOW_TO_BE_ALLOWED}")
        case TimeoutError() | BlockingIOError():  # BlockingIOError: the queue of the socket is full
            return NoAnswer(
                f"ask the pynet that serves '{socket}': it accepts calls and did not answer within {patience:g} s: it "
                "hangs, or it is still bringing the host in line after its start"
            )
        case _:
            return Failed(f"ask the pynet that serves '{socket}': {str(error) or type(error).__name__}")


HOW_TO_BE_ALLOWED = "run it as root or join group docker"
PLACES = frozenset({Settings.socket.key, Settings.admin_socket.key})  # where pynet is asked


@dataclass(frozen=True, slots=True)
class Serving:
    """A running pynet: its admin socket, and its reply to the verb About."""

    socket: Path
    about: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """Its settings in force, as text."""
        return {setting["Key"]: setting["Value"] for setting in self.about["Settings"]}

    @property
    def engine_socket(self) -> Path:
        """The socket on which the engine asks it, as the host sees it."""
        named = Path(self.settings[Settings.socket.key])
        return PLUGINS / named.name if self.about["Managed"] else named


def sockets(environment: Mapping[str, str], unit: Mapping[str, str], plugins: Path = PLUGINS) -> list[Path]:
    """Return the admin sockets on which a pynet may serve, the likeliest first."""
    if named := _named(environment):
        return [named]
    usual = Settings.socket.default
    managed = (admin_place(usual, folder / usual.name) for folder in (plugins, MOUNTED))
    return list(dict.fromkeys([_named(unit) or admin_place(usual), admin_place(usual), *managed]))


def _named(settings: Mapping[str, str]) -> Path | None:
    if admin := settings.get(Settings.admin_socket.key):
        return Path(admin)
    engine = settings.get(Settings.socket.key)
    return admin_place(Path(engine)) if engine else None


def find_serving(environment: Mapping[str, str], patience: float = QUICK, plugins: Path = PLUGINS) -> Serving:
    """Return the running pynet.

    Raises:
        NotServing: there is none.
        Unprivileged, NoAnswer: this user may not ask it, or it does not answer.
        Failed: it cannot start, as with a bad setting, and answers with the reason; or it is older than this command.
    """
    nobody: list[NotServing] = []
    unit = unit_settings()
    denied: Unprivileged | None = None
    for path in sockets(environment, unit, plugins):
        try:
            return Serving(path, ask(path, "About", patience))
        except NotServing as error:
            nobody.append(error)
        except Unprivileged as error:
            denied = denied or error
    name = Path(environment.get(Settings.socket.key) or unit.get(Settings.socket.key) or Settings.socket.default).stem
    held = _is_held(name)
    if denied and (held or not nobody):
        raise denied
    if held:
        raise Failed(
            f"ask the pynet that serves driver '{name}': it has no socket for commands; it is older than this command, "
            f"ends just now, or has another {Settings.admin_socket.key}; restart it, or name that socket"
        )
    raise nobody[0]


def _is_held(name: str) -> bool:
    """Return whether a pynet of that name runs in this network namespace."""
    with suppress(OSError):
        return unix_user(lock_address(name)) is not None
    return False


def answer(verb: str, **body: Any) -> Mapping[str, Any]:
    """Return the reply of the running pynet to a verb; while none runs, answer from its files and say so.

    Raises:
        KernelError, PynetError: neither can answer.
    """
    try:
        serving = find_serving(os.environ)
    except NotServing as nobody:
        return _from_files(nobody, verb, body)
    _note_unused(serving)
    return ask(serving.socket, verb, body=body)


def reader(verb: str) -> Callable[[str], Mapping[str, Any]]:
    """Return a function that returns the reply of the running pynet to a verb, after a cursor.

    Raises:
        PynetError: no pynet runs, or it cannot be asked; files have no answer to such a verb.
    """
    socket = find_serving(os.environ).socket
    return lambda cursor: ask(socket, verb, body={"cursor": cursor})


def asking(verb: str) -> Callable[[], Mapping[str, Any]]:
    """Return a function that returns the reply to a verb each time it is called, as ``answer`` does once.

    Raises:
        KernelError, PynetError: nobody can answer.
    """
    try:
        serving = find_serving(os.environ)
    except NotServing as nobody:
        served = _files(nobody, verb)
        return lambda: served.serve({})
    _note_unused(serving)
    return lambda: ask(serving.socket, verb)


def configured(environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Return the settings that pynet would be started with, and words that say where they are from.

    Raises:
        InvalidRequest: one of them is bad.
        Failed: the file of the packaged unit cannot be read.
    """
    unit = unit_settings()
    source = f"the settings of the environment and of '{FILE}'" if unit else "the settings of the environment"
    return read_settings({**unit, **environment}), source


def _from_files(nobody: NotServing, verb: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    reply: Mapping[str, Any] = _files(nobody, verb).serve(dict(body))
    return reply


def _files(nobody: NotServing, verb: str) -> "Bound":
    """Return a verb that the files answer."""
    from cli.server.answers import Answers, NobodyServes, Sources
    from cli.server.change_answers import NobodyChanges
    from handlers.service import SERVICE_VERBS
    from handlers.verbs import bind
    from netlink.far_addresses import far_addresses
    from netlink.statistics import Statistics
    from plugin.observe.counters import TrafficReader
    from plugin.store.sqlite.store import ReadOnlyStore

    settings, source = configured(os.environ)
    if ROUTES[verb].needs is Needs.STATE:
        _check_readable(settings, nobody)
    if ROUTES[verb].needs is not Needs.PROCESS:
        click.echo(f"note: {nobody}; until then this is from '{settings.state_dir}', by {source}", err=True)
    outside, store = NobodyServes(settings, nobody), ReadOnlyStore(settings.database)
    traffic = TrafficReader(store, Statistics(), settings.name).read
    own = outside.look, outside.log, traffic, outside.overview, outside.drops
    sources = Sources(*own, made=far_addresses, names=outside.names, resolver=outside.resolver)
    answers = Answers(settings, store, outside, sources, NobodyChanges(nobody))
    return bind("Pynet", SERVICE_VERBS, answers)[f"Pynet.{verb}"]


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
        if mine.key not in PLACES and mine.key in os.environ and mine.value != has.get(mine.key, mine.value):
            click.echo(f"note: {mine.key} is not used: the pynet that serves has '{has[mine.key]}'", err=True)
