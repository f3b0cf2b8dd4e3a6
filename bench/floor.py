"""The floor: the least that a remote driver in Python can do, a bridge and a veth pair and nothing else.

What pynet costs beyond it is what pynet does; what the floor costs beyond the built-in driver is the protocol.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

from pyroute2 import IPRoute  # noqa: TID251 - the floor measures pyroute2 without pynet's layers

Message = dict[str, object]
gateways: dict[str, str] = {}


def handle(verb: str, ask: dict[str, str]) -> Message:
    """Do the work of one verb of the protocol and return its reply."""
    bridge, host, peer = (
        "fb" + ask.get("NetworkID", "")[:12],
        *(p + ask.get("EndpointID", "")[:12] for p in ("fh", "fc")),
    )
    with IPRoute() as kernel:
        match verb:
            case "Plugin.Activate":
                return {"Implements": ["NetworkDriver"]}
            case "NetworkDriver.GetCapabilities":
                return {"Scope": "local"}
            case "NetworkDriver.CreateNetwork":
                gateway, length = ask["IPv4Data"][0]["Gateway"].split("/")  # type: ignore[index]
                gateways[bridge] = gateway
                kernel.link("add", ifname=bridge, kind="bridge", state="up")
                kernel.addr("add", index=kernel.link_lookup(ifname=bridge)[0], address=gateway, prefixlen=int(length))
            case "NetworkDriver.DeleteNetwork":
                kernel.link("del", index=kernel.link_lookup(ifname=bridge)[0])
            case "NetworkDriver.CreateEndpoint":
                kernel.link("add", ifname=host, kind="veth", peer=peer)
                master = kernel.link_lookup(ifname=bridge)[0]
                kernel.link("set", index=kernel.link_lookup(ifname=host)[0], master=master, state="up")
                return {"Interface": {}}
            case "NetworkDriver.DeleteEndpoint":
                kernel.link("del", index=kernel.link_lookup(ifname=host)[0])
            case "NetworkDriver.Join":
                return {"InterfaceName": {"SrcName": peer, "DstPrefix": "eth"}, "Gateway": gateways[bridge]}
    return {}


class Handler(BaseHTTPRequestHandler):
    """One connection of the engine."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Serve one call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = json.dumps(handle(self.path.strip("/"), json.loads(body or "{}"))).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(reply), reply))

    def address_string(self) -> str:
        """A unix socket has no peer address."""
        return ""


if __name__ == "__main__":
    Path(sys.argv[1]).unlink(missing_ok=True)
    with ThreadingUnixStreamServer(sys.argv[1], Handler) as server:
        server.daemon_threads = True
        server.serve_forever()
