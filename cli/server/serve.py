"""``pynet serve``: bind, then load, recover and answer. The one place where real parts are chosen."""

import ctypes
import gc
import logging
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cli.exit_codes import FOR_A_PERSON, exit_code
from cli.server.privileges import check_capabilities, drop_privileges
from cli.server.socket import listening
from cli.server.supervisor import Supervisor, answers, handed_socket, spare_socket
from cli.settings import Settings, read_settings
from handlers.limits import LARGEST_HEAD, MOST_FIELDS
from netlink.errors import KernelError
from plugin.errors import PynetError

if TYPE_CHECKING:
    from flask import Flask

    from plugin.request.timing import Dress

M_ARENA_MAX = -8  # malloc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
GIVEN_UP = 20.0  # seconds
AGAIN = 5.0  # seconds between two attempts of the service manager, in which calls are refused
ANSWERED = 22  # seconds in which every call that was begun has its answer


def run(dress: "Dress | None" = None) -> None:
    """Serve until SIGTERM; exits with a sentence and the code of its kind when something does not allow it.

    ``dress`` is what a test puts around the parts in the place of the clock, see ``cli.server.application``.
    """
    signal.signal(signal.SIGTERM, _end)  # process 1 of a container ignores it otherwise
    code, parent = mmap.mmap(-1, 1), os.getpid()  # shared with the worker, which finds out about the state
    waiting = spare_socket(os.environ)
    try:
        settings = read_settings(os.environ)
        _ = settings.access  # what cannot be read is said before anything is made
        check_capabilities()
        with _sockets(settings) as descriptors:
            _prepare_process()
            _application(settings, descriptors, _loader(settings, waiting, code, dress)).run()
    except PynetError as error:
        _tell(error, waiting)
        _let_the_engine_give_up()
        sys.exit(exit_code(error))
    except SystemExit as end:  # the worker leaves by here too
        if os.getpid() != parent or not code[0]:
            raise
        _let_the_engine_give_up()
        raise SystemExit(code[0]) from end


@contextmanager
def _sockets(settings: Settings) -> Iterator[list[int]]:
    """Yield the descriptors of the sockets to serve: those to bind, and the one that was handed over.

    The host's first: the engine asks for networks as soon as the other one accepts.
    """
    handed = handed_socket(settings.socket, os.environ)
    own = [settings.host_socket, None if handed else settings.socket]
    with listening([path for path in own if path]) as descriptors:
        yield [*descriptors, *([handed.detach()] if handed else [])]


def _tell(error: PynetError | KernelError, waiting: socket.socket | None) -> None:
    """Say why pynet does not serve, also to those whose calls wait in the service manager's socket.

    What the service manager tries again is told for a while, so that it does not do it all the time.
    """
    click.echo(f"Error: {error}", err=True)
    if waiting is not None:
        from cli.server.refusing import refuse_calls

        refuse_calls(waiting, str(error), 0 if exit_code(error) in FOR_A_PERSON else AGAIN)


def _let_the_engine_give_up() -> None:
    """Stay for a while, as process 1 of a container: the engine starts a managed plugin that ends again at once.

    It does so for ever, and 20.10.24 then loses track of it: the next enable fails with "id already in use". A plugin
    that does not listen is given up after 12 s, and stopped (moby plugin manager, pluginPostStart).
    """
    if os.getpid() == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.sigtimedwait({signal.SIGTERM}, GIVEN_UP)


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _prepare_process() -> None:
    """Set what holds for the whole process; raises ``PynetError`` where the kernel does not allow it."""
    logging.basicConfig(level=logging.WARNING)  # for gunicorn's parent; the worker's lines have the form that is set
    _allow_many_files()
    drop_privileges()
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)  # an arena a thread would cost 9 MB
    sys.argv = [sys.argv[0]]  # gunicorn reads the command line of the process


def _allow_many_files() -> None:
    """Every published port is held by a socket or two; the usual limit of 1,024 is there for select(2), unused here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loader(
    settings: Settings, waiting: socket.socket | None, code: mmap.mmap, dress: "Dress | None"
) -> Callable[[], "Flask"]:
    """Return what builds the application in the worker; when it cannot, ``code`` is what the process ends with."""

    def load() -> "Flask":
        from cli.server.application import build
        from cli.server.logs import configure

        configure(settings.log_level, settings.log_format)
        try:
            return build(settings, dress) if dress else build(settings)
        except (PynetError, KernelError) as error:
            code[0] = exit_code(error)
            _tell(error, waiting)
            os.kill(os.getppid(), signal.SIGTERM)  # quietly: gunicorn has lines of its own for a failed start
            sys.exit(0)

    return load


def _application(settings: Settings, descriptors: Sequence[int], load: Callable[[], "Flask"]) -> Any:
    from gunicorn.app.base import BaseApplication

    from cli.server.gunicorn_log import gunicorn_logger

    supervisor = Supervisor(os.environ)

    def ready(worker: Any) -> None:
        from cli.server.application import TROUBLE

        supervisor.stopping_at_sigterm()
        supervisor.ready(lambda patience: answers(settings.socket, patience), worker.wsgi.extensions[TROUBLE])

    class Application(BaseApplication):  # type: ignore[misc]
        """gunicorn with one worker of many threads: locks, caches and state then live in one process."""

        def load_config(self) -> None:
            before = {"when_ready": _keep_files, "pre_fork": _share_memory, "post_fork": _die_with_parent}
            hooks = before | {"post_worker_init": ready, "worker_exit": _tidy}
            logger = {"logger_class": gunicorn_logger(settings.log_level)}
            for key, value in (server_settings(descriptors, settings.threads) | hooks | logger).items():
                self.cfg.set(key, value)

        def load(self) -> "Flask":
            return load()

    return Application()


def server_settings(descriptors: Sequence[int], threads: int) -> dict[str, Any]:
    """Return gunicorn's settings for listening sockets; the tests serve with the same."""
    from cli.server.worker import CONNECTIONS, PatientWorker

    return {
        "bind": [f"fd://{descriptor}" for descriptor in descriptors],
        "workers": 1,
        "worker_class": PatientWorker,
        "worker_connections": CONNECTIONS,
        "threads": threads,
        "keepalive": 0,  # an idle connection that is closed as a request arrives loses the request's body
        "graceful_timeout": ANSWERED,
        "control_socket_disable": True,
        "limit_request_field_size": LARGEST_HEAD,
        "limit_request_fields": MOST_FIELDS,
    }


def _keep_files(arbiter: Any) -> None:
    """Leave removing sockets' files to who bound them: in one that was handed over calls wait for the next pynet."""
    arbiter.systemd = True


def _share_memory(_arbiter: object, _worker: object) -> None:
    """Keep the collector off what was loaded before the fork, so that both processes go on sharing those pages."""
    gc.collect()
    gc.freeze()


def _tidy(_arbiter: object, worker: Any) -> None:
    """Finish what is done after replies; a worker whose application did not load has nothing to finish."""
    from cli.server.application import AT_END

    if application := getattr(worker, "wsgi", None):
        application.extensions[AT_END]()


def _die_with_parent(_arbiter: object, _worker: object) -> None:
    """Let the kernel end the worker with its parent: after kill -9 nothing old may answer or hold the state."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
