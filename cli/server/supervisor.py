"""Talks to the service manager: takes its socket, reports readiness, feeds its watchdog.

The protocols are systemd's sd_listen_fds(3) and sd_notify(3); without their variables nothing happens here.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from types import FrameType

from plugin.errors import InvalidRequest

log = logging.getLogger(__name__)

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
QUESTION = b"POST /NetworkDriver.GetCapabilities HTTP/1.1\r\nHost: watchdog\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 "


def handed_socket(path: Path, environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the listening socket that the service manager handed over, None without one.

    Remove the variables, so that no child process takes them for its own.

    Raises:
        InvalidRequest: the socket is not ``path``, or there are several.
    """
    number, process = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not number.isdigit() or number == "0":
        return None
    if number != "1":
        raise InvalidRequest(f"{number} sockets were handed over; pynet serves one, '{path}'")
    listener = socket.socket(fileno=FIRST_DESCRIPTOR)
    if listener.family != socket.AF_UNIX or listener.getsockname() != str(path):
        where = listener.getsockname()
        listener.detach()
        raise InvalidRequest(
            f"the service manager handed over socket '{where}', but PYNET_SOCKET is '{path}'; "
            "let the socket's unit and the setting name the same path"
        )
    return listener


def spare_socket(environment: Mapping[str, str]) -> socket.socket | None:
    """Return a second descriptor of the socket that was handed over; it stays open when the first is closed."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    try:
        return socket.socket(fileno=os.dup(FIRST_DESCRIPTOR))
    except OSError:
        return None


class Supervisor:
    """Reports to the service manager."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the variables out of ``environment``: gunicorn would report readiness before pynet is ready."""
        self._address = environment.pop("NOTIFY_SOCKET", "")
        period, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        mine = process in ("", str(os.getpid()))
        self._period = int(period) / 1e6 if period.isdigit() and mine else 0.0  # seconds
        self._ended = threading.Event()

    def ready(self, serves: Callable[[float], bool], trouble: Callable[[], str] = lambda: "") -> None:
        """Report readiness, and feed the watchdog while ``serves(seconds)`` returns True and there is no trouble.

        ``trouble`` returns what is wrong with the background threads, "" for nothing.
        """
        self._tell("READY=1")
        if self._address and self._period:
            threading.Thread(target=self._feed, args=[serves, trouble], name="watchdog", daemon=True).start()

    def stopping_at_sigterm(self) -> None:
        """Report the end as soon as SIGTERM arrives, then call the handler that was there before."""
        before = signal.getsignal(signal.SIGTERM)

        def stopping(number: int, frame: FrameType | None) -> None:
            self.stop()
            if callable(before):
                before(number, frame)

        if self._address:
            signal.signal(signal.SIGTERM, stopping)

    def stop(self) -> None:
        """Report that the end has begun, and stop reporting."""
        self._ended.set()
        self._tell("STOPPING=1")

    def _feed(self, serves: Callable[[float], bool], trouble: Callable[[], str]) -> None:
        patience = self._period / 2
        while not self._ended.wait(self._period / 3):
            wrong = trouble() or ("" if serves(patience) else f"a request was not answered in {patience:g} seconds")
            if wrong:
                log.warning("watchdog not fed: %s", wrong)
            else:
                self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(state.encode(), address)
            except OSError as error:
                log.warning("service manager not told of %s: %s", state, error)


def answers(path: Path, patience: float) -> bool:
    """Return whether any process answers a request to the socket at ``path`` within ``patience`` seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(patience)
        try:
            client.connect(str(path))
            client.sendall(QUESTION)
            return client.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
        except OSError:
            return False
