"""``pynet serve`` as a user starts it, in the network namespace of the test."""

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cli.client.serving import ask
from cli.settings import admin_place

PATIENCE = 30.0  # seconds for a start; a hang must not take for ever


class Served:
    """A real pynet with a socket and a state folder of its own, below ``folder``."""

    program: Sequence[str] = (str(Path(sys.executable).with_name("pynet")), "serve")

    def __init__(self, folder: Path, *before: str, patience: float = PATIENCE) -> None:
        self.socket, self.state, self.log = folder / "run" / "pynet.sock", folder / "state", folder / "pynet.log"
        self._patience = patience
        self._before = before  # words in front of the command, such as those of setpriv(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until the host is in line: requests that change something wait for that."""
        self.spawn()
        self.call("NetworkDriver.DeleteNetwork", NetworkID="0" * 64)

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start it."""
        env = os.environ | {"PYNET_SOCKET": str(self.socket), "PYNET_STATE_DIR": str(self.state)}
        command = [*self._before, *self.program]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self._process

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        """Send a request as the engine does; return the reply, whatever its status."""
        return self._ask(request(method, json.dumps(body)))

    def activate(self) -> None:
        """Send the engine's first call, which has no body."""
        self._ask(request("Plugin.Activate", ""))

    def _ask(self, question: bytes) -> dict[str, Any]:
        with self.dial() as sock, closing(http.client.HTTPResponse(sock)) as answer:
            sock.sendall(question)
            answer.begin()
            reply: dict[str, Any] = json.loads(answer.read())
            return reply

    def ask(self, verb: str) -> dict[str, Any]:
        """Send one of pynet's own verbs as the command does."""
        return ask(admin_place(self.socket), verb, self._patience)

    def dial(self) -> socket.socket:
        """Connect; as long as it starts there may be no socket yet."""
        until = time.monotonic() + self._patience
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(self._patience)
            try:
                sock.connect(str(self.socket))
            except OSError:
                sock.close()
                assert time.monotonic() < until, self.log.read_text()
                time.sleep(0.02)
            else:
                return sock

    @property
    def pids(self) -> list[int]:
        """The parent and its worker."""
        assert self._process is not None
        parent = self._process.pid
        return [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]

    def terminate(self) -> None:
        """Ask it to end, and wait."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(self._patience)

    def kill(self) -> None:
        """End it without warning, and wait until nothing of it is left."""
        if self._process is None or self._process.poll() is not None:
            return
        watched = [os.pidfd_open(pid) for pid in self.pids]
        self._process.kill()
        self._process.wait()
        for descriptor in watched:
            select.select([descriptor], [], [], PATIENCE)
            os.close(descriptor)


def request(method: str, body: str) -> bytes:
    """Return a request as bytes."""
    return f"POST /{method} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
