"""Asks DNS servers: each argument is a question, "SERVER NAME TYPE [udp|tcp [SECONDS]]", and gets a line of output.

A line has the answer, or the name of the error.
"""

import socket
import sys

import dns.message
import dns.query
import dns.rcode


def ask(server: str, name: str, kind: str, how: str = "udp", patience: str = "4") -> str:
    """Ask one question."""
    query = dns.message.make_query(name, kind)
    try:
        if how == "tcp":
            answer = dns.query.tcp(query, server, timeout=float(patience))
        else:  # connected, as resolvers do, for only then the kernel tells of refusals
            with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect((server, 53))
                sock.setblocking(False)
                answer = dns.query.udp(query, server, timeout=float(patience), sock=sock)
    except Exception as error:  # noqa: BLE001 - its name is the answer
        return type(error).__name__
    values = sorted(str(one) for rrset in answer.answer for one in rrset)
    return " ".join([dns.rcode.to_text(answer.rcode()), *values])


for words in sys.argv[1:]:
    print(ask(*words.split()))
