"""What a service manager hands over and wants to hear: sockets, readiness, the watchdog.

The protocols are those of systemd, sd_listen_fds(3) and sd_notify(3); without their variables nothing happens here.
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
    """Return the listening socket that this process was started with, None when there is none.

    The variables are removed, so that no child takes them for its own.

    Raises:
        InvalidRequest: it is another one than ``path``, or there are several.
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
    """Return another descriptor of the first socket that was handed over, which stays open when that one is closed."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    try:
        return socket.socket(fileno=os.dup(FIRST_DESCRIPTOR))
    except OSError:
        return None


class Supervisor:
    """Tells the service manager how pynet is doing."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the variables out of ``environment``, as gunicorn would say that it is ready before pynet is."""
        self._address = environment.pop("NOTIFY_SOCKET", "")
        period, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        mine = process in ("", str(os.getpid()))
        self._period = int(period) / 1e6 if period.isdigit() and mine else 0.0  # seconds
        self._ended = threading.Event()

    def ready(self, serves: Callable[[float], bool], trouble: Callable[[], str] = lambda: "") -> None:
        """Say that requests are served, and go on while ``serves(seconds)`` finds that true and there is no trouble.

        ``trouble`` says what is wrong with what works beside the requests; "" is nothing.
        """
        self._tell("READY=1")
        if self._address and self._period:
            threading.Thread(target=self._feed, args=[serves, trouble], name="watchdog", daemon=True).start()

    def stopping_at_sigterm(self) -> None:
        """Say that the end has begun as soon as SIGTERM arrives; what handled it until now still does."""
        before = signal.getsignal(signal.SIGTERM)

        def stopping(number: int, frame: FrameType | None) -> None:
            self.stop()
            if callable(before):
                before(number, frame)

        if self._address:
            signal.signal(signal.SIGTERM, stopping)

    def stop(self) -> None:
        """Say that the end has begun, and that nothing more will be said."""
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
    """Say whether a request to the socket at ``path`` is answered within ``patience`` seconds, by whoever is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(patience)
        try:
            client.connect(str(path))
            client.sendall(QUESTION)
            return client.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
        except OSError:
            return False
