"""One TCP connection between two containers: a stream of bytes, or questions and answers.

``stream.py receive-bulk`` prints the MB/s that ``stream.py send-bulk ADDRESS SECONDS`` feeds it, ``receive-trips`` the
thousands of round trips a second of ``send-trips``. Then the receiver prints the bytes and its seconds of CPU; the
sender prints its seconds of CPU and the median of the microseconds of a round trip, 0 for bytes.
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
        start, busy, total = time.perf_counter(), time.process_time(), 0
        buffer = bytearray(CHUNK)
        with connection:
            while count := connection.recv_into(buffer):
                total += count
                if answer:
                    connection.send(b"x")
        print(total / (time.perf_counter() - start) / (1e3 if answer else 1e6), flush=True)
        print(total, time.process_time() - busy, flush=True)


def send(address: str, seconds: float, *, ask: bool) -> None:
    """Send zeros, or with ``ask`` one byte after each answer."""
    data, trips = bytes(1 if ask else CHUNK), [0.0]
    with socket.create_connection((address, PORT)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end, busy = time.monotonic() + seconds, time.process_time()
        while time.monotonic() < end:
            start = time.perf_counter()
            connection.sendall(data)
            if ask:
                connection.recv(1)
                trips.append(time.perf_counter() - start)
        print(time.process_time() - busy, sorted(trips)[len(trips) // 2] * 1e6)


if __name__ == "__main__":
    verb, _, kind = sys.argv[1].partition("-")
    if verb == "receive":
        receive(answer=kind == "trips")
    else:
        send(sys.argv[2], float(sys.argv[3]), ask=kind == "trips")
