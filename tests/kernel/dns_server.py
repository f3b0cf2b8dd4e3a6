"""A DNS server on the loopback of a test's namespace, with the answers of the test; or of NAME=ADDRESS … as words."""

import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

LOOPBACK = "127.0.0.53"


class DnsServer:
    """Answers with ``names``; a name that is missing does not exist. While it is ``broken`` it answers with failures.

    ``questions`` are the names that it was asked for.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], ttl: int = 60) -> None:
        self.names, self.ttl, self.broken = dict(names), ttl, False
        self.questions: list[str] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((LOOPBACK, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def file(self, folder: Path) -> Path:
        """Return a file like /etc/resolv.conf that names it."""
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {LOOPBACK}\noptions timeout:1 attempts:1\n")
        return file

    def end(self) -> None:
        """End the server."""
        self._sock.sendto(b"", (LOOPBACK, 53))
        self._thread.join(5)
        self._sock.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._sock.recvfrom(4096)
            if not data:
                return
            self._sock.sendto(self._reply(dns.message.from_wire(data)).to_wire(), peer)

    def _reply(self, query: dns.message.Message) -> dns.message.Message:
        reply, asked = dns.message.make_response(query), query.question[0]
        name = asked.name.to_text(omit_final_dot=True)
        self.questions.append(name)
        if self.broken or name not in self.names:
            reply.set_rcode(dns.rcode.SERVFAIL if self.broken else dns.rcode.NXDOMAIN)
            return reply
        kind = "AAAA" if asked.rdtype == dns.rdatatype.AAAA else "A"
        found = [address for address in self.names[name] if (":" in address) == (kind == "AAAA")]
        if found:
            reply.answer.append(dns.rrset.from_text(asked.name, self.ttl, "IN", kind, *found))
        return reply


if __name__ == "__main__":
    server = DnsServer({name: [address] for name, _, address in (word.partition("=") for word in sys.argv[1:])})
    print("ready", flush=True)
    sys.stdin.read()
    server.end()
