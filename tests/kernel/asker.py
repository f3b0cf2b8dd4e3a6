"""Asks a DNS server: ``asker.py SERVER NAME TYPE [udp|tcp [SECONDS]]`` prints the answer, or the error and its time."""

import socket
import sys
import time

import dns.message
import dns.query
import dns.rcode

server, name, kind = sys.argv[1:4]
patience = float((sys.argv[5:] or ["4"])[0])
query, began = dns.message.make_query(name, kind), time.monotonic()
try:
    if sys.argv[4:5] == ["tcp"]:
        answer = dns.query.tcp(query, server, timeout=patience)
    else:  # connected, as resolvers do, for only then the kernel tells of refusals
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((server, 53))
            sock.setblocking(False)
            answer = dns.query.udp(query, server, timeout=patience, sock=sock)
except Exception as error:  # noqa: BLE001 - its name is the answer
    print(f"{type(error).__name__} {time.monotonic() - began:.3f}")
else:
    values = sorted(str(one) for rrset in answer.answer for one in rrset)
    print(" ".join([dns.rcode.to_text(answer.rcode()), *values]))
