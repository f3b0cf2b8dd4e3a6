"""nftables through libnftables in this process, or through the ``nft`` command where the library is missing.

Each call takes text and applies it as one transaction: all of it or nothing. Measured: a map element takes 0.2 ms in
this process, and 5 ms with an ``nft`` process. Elements of sets, which change all the time, go by ``netlink.setelem``.
"""

import ctypes
import ctypes.util
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, Protocol

from netlink import nft_listing, uapi
from netlink.deadline import remaining
from netlink.errors import Denied, Exists, KernelError, Missing, NotSupported, kernel_error, reason
from netlink.nft_elements import FAMILIES, Element, NamedSet
from netlink.setelem import SetElements

LIBRARY = "libnftables.so.1"
_OUTPUT_HANDLE, _OUTPUT_JSON = 1 << 3, 1 << 4  # libnftables(3)
_OUTPUT_NUMERIC_PROTO = 1 << 7  # names of protocols come from /etc/protocols, which may be missing or change
_OUTPUT_STATELESS, _OUTPUT_TERSE = 1 << 2, 1 << 11  # without values of counters, and without elements of sets
DEADLINE = 15.0  # seconds for one nft process, and to wait for the transaction of another thread


class Form(Enum):
    """How a listing is printed."""

    TEXT = (0, ())
    JSON = (_OUTPUT_JSON | _OUTPUT_HANDLE | _OUTPUT_NUMERIC_PROTO, ("-a", "-j", "-p"))
    RULES = (_OUTPUT_HANDLE | _OUTPUT_TERSE | _OUTPUT_STATELESS, ("-a", "-t", "-s"))
    CHECK = (0, ("-c",))  # nothing is printed, and nothing changed

    def __init__(self, flags: int, arguments: tuple[str, ...]) -> None:
        self.flags = flags
        self.arguments = arguments


class Runner(Protocol):
    """Runs nft text; returns (succeeded, output, errors)."""

    def run(self, text: str, form: "Form") -> tuple[bool, str, str]:
        """Apply ``text`` as one transaction."""

    def close(self) -> None:
        """Give back what it holds; the next run takes it anew."""


@contextmanager
def _held(lock: threading.Lock, action: str) -> Iterator[None]:
    if not lock.acquire(timeout=remaining(DEADLINE)):
        raise KernelError(f"{action}: another transaction does not end")
    try:
        yield
    finally:
        lock.release()


class LibraryRunner:
    """libnftables by ctypes, for one thread of the process at a time.

    Not even two contexts may be used by two threads at once: the library keeps one list of the names of links for the
    whole process, which each command frees (iface_list, nftables src/iface.c). Tried with version 1.0.6: listings
    have numbers in the place of names, or the process is aborted.
    """

    _lock = threading.Lock()

    def __init__(self) -> None:
        self._lib = _load_library()
        self._context: int | None = self._open()

    def _open(self) -> int:
        context: int = self._lib.nft_ctx_new(0)
        self._lib.nft_ctx_buffer_output(context)
        self._lib.nft_ctx_buffer_error(context)
        return context

    def close(self) -> None:
        """Free the context with its socket; tables with the flag ``owner`` go with it. The next run opens another."""
        with _held(self._lock, "close libnftables"):
            if self._context is not None:
                self._lib.nft_ctx_free(self._context)
                self._context = None

    def run(self, text: str, form: Form) -> tuple[bool, str, str]:
        """Apply ``text`` as one transaction."""
        with _held(self._lock, "change nftables"):
            self._context = self._context or self._open()
            self._lib.nft_ctx_output_set_flags(self._context, form.flags)
            self._lib.nft_ctx_set_dry_run(self._context, form is Form.CHECK)
            failed = self._lib.nft_run_cmd_from_buffer(self._context, text.encode())
            output = self._lib.nft_ctx_get_output_buffer(self._context) or b""
            errors = self._lib.nft_ctx_get_error_buffer(self._context) or b""
            return failed == 0, output.decode(), errors.decode()


class CommandRunner:
    """One ``nft`` process a call."""

    def close(self) -> None:
        """Hold nothing, as always."""

    def run(self, text: str, form: Form) -> tuple[bool, str, str]:
        """Apply ``text`` as one transaction."""
        # With -j nft reads a file as JSON before it reads it as text, and finds its standard input empty then.
        what = [text] if form is Form.JSON else ["-f", "-"]
        command, seconds = ["nft", *form.arguments, *what], remaining(DEADLINE)
        try:
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            raise KernelError(f"change nftables: the nft command did not end within {seconds:.0f} s") from error
        except OSError as error:
            raise kernel_error("start the nft command", error.errno or 0) from error
        return done.returncode == 0, done.stdout, done.stderr


def open_nfnetlink() -> socket.socket:
    """Open a socket to nftables; the kernel loads nfnetlink for it, where that is a module."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, uapi.NETLINK_NETFILTER)


def open_runner(connect: Callable[[], socket.socket] = open_nfnetlink) -> Runner:
    """Return the library when it can be loaded, else the command.

    Raises:
        NotSupported: the kernel has no nftables, as ``connect`` shows.
    """
    _check_kernel(connect)
    try:
        return LibraryRunner()
    except OSError:
        return CommandRunner()


def open_library() -> Runner:
    """Return the library, whose tables with the flag ``owner`` live as long as this process.

    Raises:
        NotSupported: it cannot be loaded, or the kernel has no nftables.
    """
    _check_kernel(open_nfnetlink)
    try:
        return LibraryRunner()
    except OSError as error:
        raise NotSupported(f"load the library '{LIBRARY}': it is not installed") from error


def _check_kernel(connect: Callable[[], socket.socket]) -> None:
    """Look before the library does: without nfnetlink it ends the process (netlink_init_error, nftables src/mnl.c)."""
    try:
        connect().close()
    except OSError as error:
        raise NotSupported(
            f"open nftables: {reason(error)}; this kernel has no nfnetlink, which module 'nf_tables' brings: "
            "'modprobe nf_tables' says why it is not loaded"
        ) from error


class Nftables:
    """Transactions and listings; the kernel's words tell kinds of errors apart."""

    def __init__(self, runner: Runner, elements: SetElements | None = None) -> None:
        self._runner = runner
        self._elements = elements or SetElements()
        self._lock = threading.Lock()  # guards _elements and _own
        self._own = 0  # how often this process raised the number of the ruleset

    def is_own(self, port: int) -> bool:
        """Return whether this process made a change, by the netlink port of its sender.

        The kernel gives the first socket of a process the process id as its port (netlink(7)), and here that socket is
        libnftables'. Otherwise our own changes look like those of others, which costs one comparison and nothing else.
        """
        return port != 0 and port in {os.getpid(), self._elements.port}

    def apply(self, text: str) -> None:
        """Apply ``text``, which changes something, as one transaction.

        Raises:
            KernelError: a line was refused; nothing was changed.
        """
        with _held(self._lock, "change nftables"):
            before = self._elements.generation()
            self._run(text, Form.TEXT)
            with suppress(KernelError):  # if the kernel does not say, the change counts as one of another program
                self._own += self._elements.generation() == before + 1

    def check(self, text: str) -> None:
        """Let nft and the kernel check ``text`` and change nothing; raises ``KernelError`` when any line fails."""
        self._run(text, Form.CHECK)

    def exists(self, table: str) -> bool:
        """Return whether the tables of that name are there, in the families inet and bridge; without nft."""
        with _held(self._lock, f"look for nftables table '{table}'"):
            return all(self._elements.has_table(family, table) for family in FAMILIES)

    def generation(self) -> int:
        """Return a number that every change of another program raises, to tables of any name.

        Our own transactions, each of which raises the kernel's number by one, are subtracted; one whose answer was lost
        counts as another program's.
        """
        with _held(self._lock, "ask for the generation of nftables"):
            return self._elements.generation() - self._own

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        """Delete and add elements as one transaction; ``Missing`` when a table, set or element is not there."""
        with _held(self._lock, f"change elements of nftables table '{table}'"):
            self._own += self._elements.change(table, delete, add)

    def close(self) -> None:
        """Close both sockets, for transactions and for elements; the next change opens others."""
        with self._lock:
            self._elements.close()
        self._runner.close()

    def list(self, what: str) -> list[dict[str, Any]]:
        """Return the objects of ``nft -a -j list WHAT``; raises ``Missing`` when there is no such thing."""
        output = self._run(f"list {what}\n", Form.JSON)
        objects: list[dict[str, Any]] = json.loads(output)["nftables"] if output else []
        return objects

    def rules(self) -> str:
        """Return all rules of the host as nft prints them, with handles, without counts and elements of sets."""
        return self._run("list ruleset\n", Form.RULES)

    def static_parts(self, table: str) -> Sequence[bytes]:
        """Return the rules and sets of both tables called ``table``, without elements; raises ``Missing``."""
        return nft_listing.static_parts(table)

    def elements_of(self, table: str, of: NamedSet) -> Sequence[bytes]:
        """Return the elements of a set, packed; raises ``Missing`` when there is no such table or set."""
        return nft_listing.elements(table, of)

    def _run(self, text: str, form: Form) -> str:
        succeeded, output, errors = self._runner.run(text, form)
        if not succeeded:
            raise _nft_error(errors)
        return output


_SENTENCES = (
    ("No such file or directory", Missing),
    ("does not exist", Missing),
    ("File exists", Exists),
    ("Operation not permitted", Denied),
    ("Operation not supported", NotSupported),
)


def _nft_error(errors: str) -> KernelError:
    first = errors.strip().splitlines()[0] if errors.strip() else "no reason given"
    kind = next((kind for words, kind in _SENTENCES if words in errors), KernelError)
    return kind(f"change nftables: {first.removeprefix('Error: ')}")


def _load_library() -> ctypes.CDLL:
    lib = ctypes.CDLL(LIBRARY)
    lib.nft_ctx_new.restype = ctypes.c_void_p
    lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    lib.nft_ctx_set_dry_run.argtypes = [ctypes.c_void_p, ctypes.c_bool]
    lib.nft_ctx_set_dry_run.restype = None
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        function = getattr(lib, name)
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    lib.nft_ctx_free.restype = None
    return lib
