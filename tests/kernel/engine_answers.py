"""The answers of an engine, as far as commands ask: ``engine_answers.py SOCKET NETWORKS [OTHERS]``.

NETWORKS is JSON, OTHERS a JSON object with the answers to paths without their queries.

A process of its own, as one with threads cannot leave its mount namespace.
"""

import json
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

NETWORKS = sys.argv[2] if len(sys.argv) > 2 else "[]"
OTHERS = sys.argv[3] if len(sys.argv) > 3 else "{}"


class Answers(BaseHTTPRequestHandler):
    """Knows two paths and ``OTHERS``."""

    protocol_version = "HTTP/1.1"  # the doctor keeps its connection

    def do_GET(self) -> None:
        """Answer."""
        other = ({"/version": {"Version": "28.5.2"}} | json.loads(OTHERS)).get(self.path.partition("?")[0])
        body = (NETWORKS if other is None else json.dumps(other)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    socketserver.ThreadingUnixStreamServer.daemon_threads = True  # pynet keeps a connection for events
    with socketserver.ThreadingUnixStreamServer(sys.argv[1], Answers) as server:
        print("ready", flush=True)
        server.serve_forever()
