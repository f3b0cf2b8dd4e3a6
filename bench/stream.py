"""One TCP connection between two containers: a stream of bytes, or questions and answers.

``stream.py receive-bulk`` prints the MB/s that ``stream.py send-bulk ADDRESS SECONDS`` feeds it, ``receive-trips`` the
thousands of round trips a second of ``send-trips``.
"""

import socket
import sys
import time

PORT, CHUNK = 5201, 1 << 18


def receive(*, answer: bool) -> None:
    """Count what one connection brings: megabytes, or with ``answer`` thousands of questions."""
    with socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start, total = time.perf_counter(), 0
        buffer = bytearray(CHUNK)
        with connection:
            while count := connection.recv_into(buffer):
                total += count
                if answer:
                    connection.send(b"x")
        print(total / (time.perf_counter() - start) / (1e3 if answer else 1e6), flush=True)


def send(address: str, seconds: float, *, ask: bool) -> None:
    """Send zeros, or with ``ask`` one byte after each answer."""
    data = bytes(1 if ask else CHUNK)
    with socket.create_connection((address, PORT)) as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(data)
            if ask:
                connection.recv(1)


if __name__ == "__main__":
    verb, _, kind = sys.argv[1].partition("-")
    if verb == "receive":
        receive(answer=kind == "trips")
    else:
        send(sys.argv[2], float(sys.argv[3]), ask=kind == "trips")
