"""``pynet serve``: bind, then load, recover and answer. The one place where real parts are chosen."""

import ctypes
import gc
import logging
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.exits import exit_code
from cli.privileges import check_capabilities, drop_privileges
from cli.settings import Settings, read_settings
from cli.socket import bind_socket
from cli.supervisor import Supervisor, answers, handed_socket
from handlers.limits import LARGEST_HEAD, MOST_FIELDS
from netlink.errors import KernelError
from plugin.errors import PynetError

if TYPE_CHECKING:
    from flask import Flask

    from cli.wiring import Dress

M_ARENA_MAX = -8  # malloc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run(dress: "Dress | None" = None) -> None:
    """Serve until SIGTERM; exits with a sentence and the code of its kind when something does not allow it.

    ``dress`` is what a test puts around the parts in the place of the clock, see ``cli.wiring``.
    """
    try:
        settings = read_settings(os.environ)
        check_capabilities()
        handed = handed_socket(settings.socket, os.environ)
        listener = handed or bind_socket(settings.socket)
    except PynetError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(exit_code(error))
    logging.basicConfig(level=logging.WARNING)  # for gunicorn's parent; the worker's lines have the form that is set
    _allow_many_files()
    _drop_privileges()
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)  # an arena a thread would cost 9 MB
    sys.argv = [sys.argv[0]]  # gunicorn reads the command line of the process
    code, parent = mmap.mmap(-1, 1), os.getpid()  # shared with the worker, which finds out about the state
    try:
        _application(settings, listener.detach(), _loader(settings, code, dress), handed=handed is not None).run()
    except SystemExit as end:
        sys.exit(code[0] or end.code if os.getpid() == parent else end.code)  # the worker leaves by here too


def _drop_privileges() -> None:
    try:
        drop_privileges()
    except PynetError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(exit_code(error))


def _allow_many_files() -> None:
    """Every published port is held by a socket or two; the usual limit of 1,024 is there for select(2), unused here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loader(settings: Settings, code: mmap.mmap, dress: "Dress | None") -> Callable[[], "Flask"]:
    """Return what builds the application in the worker; when it cannot, ``code`` is what the process ends with."""

    def load() -> "Flask":
        from cli.logs import configure
        from cli.wiring import build

        configure(settings.log_level, settings.log_format)
        try:
            return build(settings, dress) if dress else build(settings)
        except (PynetError, KernelError) as error:
            code[0] = exit_code(error)
            click.echo(f"Error: {error}", err=True)
            os.kill(os.getppid(), signal.SIGTERM)  # quietly: gunicorn has lines of its own for a failed start
            sys.exit(0)

    return load


def _application(settings: Settings, descriptor: int, load: Callable[[], "Flask"], *, handed: bool) -> Any:
    from gunicorn.app.base import BaseApplication

    from cli.gunicorn_log import gunicorn_logger

    supervisor = Supervisor(os.environ)

    def keep_handed(arbiter: Any) -> None:
        """Leave the file of a socket that somebody else bound where it is: calls wait there for the next pynet."""
        arbiter.systemd = handed

    def ready(_worker: object) -> None:
        supervisor.stopping_at_sigterm()
        supervisor.ready(lambda patience: answers(settings.socket, patience))

    class Application(BaseApplication):  # type: ignore[misc]
        """gunicorn with one worker of many threads: locks, caches and state then live in one process."""

        def load_config(self) -> None:
            hooks = {
                "pre_fork": _share_memory,
                "post_fork": _die_with_parent,
                "when_ready": keep_handed,
                "post_worker_init": ready,
            }
            logger = {"logger_class": gunicorn_logger(settings.log_level)}
            for key, value in (server_settings(descriptor, settings.threads) | hooks | logger).items():
                self.cfg.set(key, value)

        def load(self) -> "Flask":
            return load()

    return Application()


def server_settings(descriptor: int, threads: int) -> dict[str, Any]:
    """Return gunicorn's settings for a listening socket; the tests serve with the same."""
    from cli.worker import CONNECTIONS, PatientWorker

    return {
        "bind": f"fd://{descriptor}",
        "workers": 1,
        "worker_class": PatientWorker,
        "worker_connections": CONNECTIONS,
        "threads": threads,
        "keepalive": 0,  # an idle connection that is closed as a request arrives loses the request's body
        "graceful_timeout": 5,
        "control_socket_disable": True,
        "limit_request_field_size": LARGEST_HEAD,
        "limit_request_fields": MOST_FIELDS,
    }


def _share_memory(_arbiter: object, _worker: object) -> None:
    """Keep the collector off what was loaded before the fork, so that both processes go on sharing those pages."""
    gc.collect()
    gc.freeze()


def _die_with_parent(_arbiter: object, _worker: object) -> None:
    """Let the kernel end the worker with its parent: after kill -9 nothing old may answer or hold the state."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
