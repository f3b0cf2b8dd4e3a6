"""Plays systemd for a socket-activated service: holds the socket, and starts and restarts the process."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PYNET = Path(sys.executable).with_name("pynet")
PATIENCE = 30.0  # seconds; nothing here takes one, a hang must not take for ever
# The variables name the process that they are meant for, whose id is known only when it runs.
START = 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@"'


class Call(http.client.HTTPConnection):
    """One connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("pynet", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def call(path: Path, method: str, **body: Any) -> dict[str, Any]:
    """Make a call as the engine does, once; everything but a success is an error of the test."""
    connection = Call(path)
    connection.request("POST", f"/{method}", json.dumps(body) + "\n" if body else b"")
    answer = connection.getresponse()
    reply: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, reply
    return reply


class Activator:
    """Holds a socket in ``folder`` and runs ``pynet serve`` behind it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.path = folder / "pynet.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(1024)
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(folder / "notify"))
        self._told.settimeout(PATIENCE)
        self._environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(folder / "notify")}
        self._environment |= {"PYNET_SOCKET": str(self.path), "PYNET_STATE_DIR": str(folder / "state")} | environment
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start pynet; it finds the socket as descriptor 3."""
        number = self._listener.fileno()
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec 3<&{number}; {START}", "bash", str(PYNET), "serve"],
            env=self._environment,
            pass_fds=[number],
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def idle(self) -> bool:
        """Whether no call waits in the socket, for which systemd would start pynet again."""
        return not select.select([self._listener], [], [], 0)[0]

    def mend(self, setting: str) -> None:
        """Take a setting back."""
        del self._environment[setting]

    def heard(self) -> str:
        """Wait for what pynet tells next."""
        return self._told.recv(256).decode()

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was logged."""
        assert self._process is not None
        _, log = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, log

    def restart(self) -> None:
        """Stop, and start when the old process is gone."""
        self.ask_to_end()
        self.wait()
        self.start()

    def close(self) -> None:
        """End everything."""
        if self._process is not None and self._process.poll() is None:
            self.ask_to_end()
            self.wait()
        self._listener.close()
        self._told.close()
