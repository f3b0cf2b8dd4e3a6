"""Records the messages between an engine and pynet: ``python -m tests.record.proxy LISTEN FORWARD OUT``.

Bytes are passed on as they are; one JSON line a request says what was in it.
"""

import http.client
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"


class Upstream(http.client.HTTPConnection):
    """A connection to pynet's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("plugin", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Dial the unix socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Recorder(ThreadingUnixStreamServer):
    """The socket that the engine dials."""

    daemon_threads = True

    def __init__(self, listen: str, forward: str, out: Path) -> None:
        super().__init__(listen, Handler)
        self.forward = forward
        self._out = out
        self._lock = threading.Lock()  # guards the order of lines

    def write(self, entry: dict[str, object]) -> None:
        """Append one line."""
        with self._lock, self._out.open("a") as file:
            file.write(json.dumps(entry) + "\n")


class Handler(BaseHTTPRequestHandler):
    """One connection of the engine."""

    server: Recorder

    def do_POST(self) -> None:
        """Pass a request on, and write it and its reply down."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = Upstream(self.server.forward)
        upstream.request("POST", self.path, body, dict(self.headers.items()))
        answer = upstream.getresponse()
        reply = answer.read()
        upstream.close()
        entry = {"method": self.path.lstrip("/"), "headers": self.headers.items(), "body": body.decode()}
        self.server.write(entry | {"status": answer.status, "reply": reply.decode()})
        self.send_response(answer.status)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def address_string(self) -> str:
        """A unix socket has no peer address."""
        return ""

    def log_message(self, *_: object) -> None:
        """Keep quiet: the lines are the log."""


if __name__ == "__main__":
    with Recorder(sys.argv[1], sys.argv[2], Path(sys.argv[3])) as recorder:
        recorder.serve_forever()
