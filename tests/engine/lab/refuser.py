"""A plugin that refuses every call but the first question, as one whose state is lost.

python -m tests.engine.lab.refuser SOCKET
"""

import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer


class Refusal(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_POST(self) -> None:
        """Refuse."""
        known = self.path == "/Plugin.Activate"
        body = b'{"Implements": ["NetworkDriver", "IpamDriver"]}' if known else b'{"Err": "nothing is known"}'
        self.send_response(200 if known else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """A unix socket has none."""
        return "engine"


if __name__ == "__main__":
    Path(sys.argv[1]).unlink(missing_ok=True)
    with UnixStreamServer(sys.argv[1], Refusal) as server:
        server.serve_forever()
