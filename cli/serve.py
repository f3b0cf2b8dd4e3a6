"""``pynet serve``: bind, then load, recover and answer. The one place where real parts are chosen."""

import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cli.privileges import check_capabilities, drop_privileges
from cli.settings import Settings, read_settings
from cli.socket import bind_socket
from handlers.limits import LARGEST_HEAD, MOST_FIELDS
from plugin.errors import PynetError

if TYPE_CHECKING:
    from flask import Flask

    from cli.wiring import Dress

M_ARENA_MAX = -8  # malloc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
APP_LOAD_ERROR = 4  # exit code of a worker at which gunicorn ends too (gunicorn/arbiter.py)


def run(dress: "Dress | None" = None) -> None:
    """Serve until SIGTERM; exits 1 with a sentence when the settings or the socket do not allow it.

    ``dress`` is what a test puts around the parts in the place of the clock, see ``cli.wiring``.
    """
    try:
        settings = read_settings(os.environ)
        _ = settings.access  # what cannot be read is said before anything is made
        check_capabilities()
        listener = bind_socket(settings.socket)
    except PynetError as error:
        raise click.ClickException(str(error)) from error
    logging.basicConfig(level=logging.WARNING)  # for gunicorn's parent; the worker's lines have the form that is set
    _allow_many_files()
    _drop_privileges()
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)  # an arena a thread would cost 9 MB
    sys.argv = [sys.argv[0]]  # gunicorn reads the command line of the process
    _application(settings, listener.detach(), dress).run()


def _drop_privileges() -> None:
    try:
        drop_privileges()
    except PynetError as error:
        raise click.ClickException(str(error)) from error


def _allow_many_files() -> None:
    """Every published port is held by a socket or two; the usual limit of 1,024 is there for select(2), unused here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _application(settings: Settings, descriptor: int, dress: "Dress | None") -> Any:
    from gunicorn.app.base import BaseApplication

    from cli.gunicorn_log import gunicorn_logger

    class Application(BaseApplication):  # type: ignore[misc]
        """gunicorn with one worker of many threads: locks, caches and state then live in one process."""

        def load_config(self) -> None:
            hooks = {"pre_fork": _share_memory, "post_fork": _die_with_parent}
            logger = {"logger_class": gunicorn_logger(settings.log_level)}
            for key, value in (server_settings(descriptor, settings.threads) | hooks | logger).items():
                self.cfg.set(key, value)

        def load(self) -> "Flask":
            from cli.logs import configure
            from cli.wiring import build

            configure(settings.log_level, settings.log_format)
            with _refusing():
                return build(settings, dress) if dress else build(settings)

    return Application()


@contextmanager
def _refusing() -> Iterator[None]:
    """Let the process end with one sentence when its parts cannot be put together."""
    try:
        yield
    except PynetError as error:
        logging.getLogger("pynet").critical("not started: %s", error)
        sys.exit(APP_LOAD_ERROR)


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
