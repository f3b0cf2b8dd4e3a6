"""``pynet serve``: binds the socket, then loads the application, which gunicorn serves."""

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
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cli.exit_codes import DEFECT, FOR_A_PERSON, exit_code
from cli.server.admin_socket import AdminSocket, admin_socket
from cli.server.first_line import FirstLine
from cli.server.later import load_later
from cli.server.privileges import check_capabilities, drop_privileges
from cli.server.socket import bound_sockets
from cli.server.supervisor import Supervisor, answers, handed_socket, spare_socket
from cli.settings import Settings, read_settings
from handlers.limits import LARGEST_HEAD, MOST_FIELDS
from netlink.errors import KernelError
from plugin.background.parent import die_with_parent
from plugin.errors import PynetError

if TYPE_CHECKING:
    from flask import Flask

    from cli.server.starting import Starting

    Build = Callable[[Settings], Flask]

log = logging.getLogger(__name__)

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3  # malloc.h
LARGE = 64 << 10  # bytes of memory that go back to the kernel as soon as they are free
GIVEN_UP = 20.0  # seconds
MOST_FILES = 1 << 20  # the usual /proc/sys/fs/nr_open, more than there are ports
AGAIN = 5.0  # seconds between two attempts of the service manager, in which calls are refused
ANSWERED = 22  # seconds in which every call that was begun has its answer


def run(build: "Build | None" = None) -> None:
    """Serve until SIGTERM; on an error print a sentence and exit with the code of its kind.

    ``build`` makes the application in the worker, by default ``cli.server.application.build``.
    """
    gc.disable()  # until the fork: nearly all that is loaded stays
    load_later()
    signal.signal(signal.SIGTERM, _end)  # without a handler, process 1 of a container ignores it
    code, parent = mmap.mmap(-1, 1), os.getpid()  # shared with the worker, which opens the state
    waiting = spare_socket(os.environ)
    try:
        settings = read_settings(os.environ)
        _ = settings.access  # read now, so that a missing file is reported before anything is made
        check_capabilities()
        with _sockets(settings) as descriptors, admin_socket(settings.admin, settings.admin_group) as admin:
            _prepare_process(settings)
            every = [*descriptors, *admin.descriptors]
            _application(settings, every, _loader(settings, admin, waiting, code, build)).run()
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
    """Yield the descriptors of the sockets to serve: bound ones, and the one that was handed over.

    The host's socket comes first: the engine asks for networks as soon as the other one accepts.
    """
    handed = handed_socket(settings.socket, os.environ)
    own = [settings.host_socket, None if handed else settings.socket]
    with bound_sockets([path for path in own if path]) as descriptors:
        yield [*descriptors, *([handed.detach()] if handed else [])]


def _tell(error: PynetError | KernelError, waiting: socket.socket | None) -> None:
    """Print why pynet does not serve, and answer the calls in the service manager's socket with the same sentence.

    Where the service manager will try again, answer for a while, so that it does not restart pynet all the time.
    """
    sys.stderr.write(f"Error: {error}\n")
    if waiting is not None:
        from cli.server.refusing import refuse_calls

        refuse_calls(waiting, str(error), 0 if exit_code(error) in FOR_A_PERSON else AGAIN)


def _let_the_engine_give_up() -> None:
    """As process 1 of a container, stay for a while: the engine restarts a managed plugin that ends at once, for ever.

    20.10.24 then loses track of it, and the next enable fails with "id already in use". The engine gives up and stops a
    plugin that does not listen for 12 s (moby plugin manager, pluginPostStart).
    """
    if os.getpid() == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.sigtimedwait({signal.SIGTERM}, GIVEN_UP)


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _prepare_process(settings: Settings) -> None:
    """Set limits, privileges and memory of the whole process; raises ``PynetError`` where the kernel refuses."""
    # For gunicorn's parent; the worker sets up its own log.
    logging.basicConfig(level=logging.WARNING, handlers=[FirstLine(settings.log_level, settings.log_format)])
    _allow_many_files()
    drop_privileges()
    _limit_malloc()
    sys.argv = [sys.argv[0]]  # gunicorn reads the command line of the process


def _limit_malloc() -> None:
    """Keep free memory out of the heap: 10 MB with 200 networks of ten endpoints and 3,000 ports.

    An arena a thread would cost 9 MB. By default glibc takes ever larger blocks from the heap (mallopt(3), "dynamic
    mmap threshold"), and what a listing needed for a moment stays in it.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(M_ARENA_MAX, 1)
    libc.mallopt(M_MMAP_THRESHOLD, LARGE)


def _allow_many_files() -> None:
    """Raise the limit of open files, as a published port has one or two sockets; the usual 1,024 is for select(2).

    The hard limit is raised too, where the process may do that (CAP_SYS_RESOURCE, which is given up after this).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(hard, MOST_FILES), hard):
        with suppress(ValueError, OSError):  # not permitted, or more than /proc/sys/fs/nr_open
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return


def _loader(
    settings: Settings, admin: AdminSocket, waiting: socket.socket | None, code: mmap.mmap, build: "Build | None"
) -> Callable[[Callable[["Flask"], None]], "Starting"]:
    """Return a function that starts the application in the worker, and calls ``ready`` when the host is in line.

    If the start fails, it sets ``code``, the exit code.
    """

    def load(ready: Callable[["Flask"], None]) -> "Starting":
        from cli.server.starting import Starting

        return Starting(lambda: _check(settings, admin), make, lambda app: finish(app, ready), failed).start()

    def make() -> "Flask":
        from cli.server.pauses import put_off, shorten_pauses

        shorten_pauses()
        put_off()
        from cli.server import application  # a quarter of a second

        return (build or application.build)(settings)

    def finish(app: "Flask", ready: Callable[["Flask"], None]) -> None:
        from cli.server.application import FINISH
        from cli.server.pauses import resume

        app.extensions[FINISH]()
        resume()
        ready(app)

    def failed(error: Exception) -> None:
        if isinstance(error, PynetError | KernelError):
            code[0] = exit_code(error)
            _tell(error, waiting)
        else:
            code[0] = DEFECT
            log.error("start failed", exc_info=error)
        os.kill(os.getppid(), signal.SIGTERM)  # quietly: gunicorn would log a failed start in its own words

    return load


def _check(settings: Settings, admin: AdminSocket) -> None:
    """Set up the log, and find out what usually keeps pynet from serving, before everything is loaded."""
    from cli.server.log_ring import keep_log
    from cli.server.logs import configure
    from cli.server.name import hold_name
    from plugin.store.sqlite.lockfile import lock_state
    from plugin.store.sqlite.schema import check_version

    configure(settings.log_level, settings.log_format)
    keep_log()
    if admin.missing:
        log.warning("the commands cannot ask this pynet: %s", admin.missing)
    elif admin.closed:
        log.info("the commands are for root alone: %s", admin.closed)
    lock_state(settings.state_dir)
    hold_name(settings.name)
    check_version(settings.database)


def _application(
    settings: Settings, descriptors: Sequence[int], load: Callable[[Callable[["Flask"], None]], "Starting"]
) -> Any:
    from gunicorn.app.base import BaseApplication

    from cli.server.worker import gunicorn_logger

    supervisor = Supervisor(os.environ)

    def ready(app: "Flask") -> None:
        from cli.server.application import TROUBLE

        supervisor.ready(lambda patience: answers(settings.socket, patience), app.extensions[TROUBLE])

    def begun(worker: Any) -> None:
        supervisor.stopping_at_sigterm()
        worker.outgrown = partial(_outgrown, worker.wsgi)

    class Application(BaseApplication):  # type: ignore[misc]
        """gunicorn with one worker of many threads, so that locks, caches and state are in one process."""

        def load_config(self) -> None:
            before = {"when_ready": _keep_files, "pre_fork": _share_memory, "post_fork": _end_with_parent}
            hooks = before | {"post_worker_init": begun, "worker_exit": _tidy}
            logger = {"logger_class": gunicorn_logger()}
            for key, value in (server_settings(descriptors, settings.threads, settings.admin) | hooks | logger).items():
                self.cfg.set(key, value)

        def load(self) -> "Starting":
            return load(ready)

    return Application()


def server_settings(descriptors: Sequence[int], threads: int, admin: Path | None = None) -> dict[str, Any]:
    """Return gunicorn's settings for listening sockets, of which ``admin`` is for the commands; tests use the same."""
    from cli.server.worker import CONNECTIONS, worker_with

    return {
        "bind": [f"fd://{descriptor}" for descriptor in descriptors],
        "workers": 1,
        "worker_class": worker_with(admin),
        "worker_connections": CONNECTIONS,
        "threads": threads,
        "keepalive": 0,  # closing an idle connection while a request arrives would lose its body
        "graceful_timeout": ANSWERED,
        "control_socket_disable": True,
        "limit_request_field_size": LARGEST_HEAD,
        "limit_request_fields": MOST_FIELDS,
    }


def _keep_files(arbiter: Any) -> None:
    """Keep gunicorn from removing sockets' files: in one that was handed over, calls wait for the next pynet."""
    arbiter.systemd = True


def _share_memory(_arbiter: object, _worker: object) -> None:
    """Keep the garbage collector off objects loaded before the fork, so that both processes share their pages."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _outgrown(starting: "Starting") -> bool:
    """Return whether the application is loaded, and a fresh worker would need much less memory."""
    if starting.application is None:
        return False
    from cli.server.application import OUTGROWN

    outgrown: bool = starting.application.extensions[OUTGROWN]()
    return outgrown


def _tidy(_arbiter: object, worker: Any) -> None:
    """Finish the work that is done after replies, if the application was loaded."""
    starting = getattr(worker, "wsgi", None)
    if starting is not None and starting.application is not None:
        from cli.server.application import AT_END

        starting.application.extensions[AT_END]()


def _end_with_parent(_arbiter: object, _worker: object) -> None:
    """Let the kernel kill the worker with its parent: after kill -9 no old worker may answer or hold the state."""
    die_with_parent()
