"""Send or receive one TCP stream: ``stream.py receive`` prints MB/s, ``stream.py send ADDRESS SECONDS`` feeds it."""

import socket
import sys
import time

PORT, CHUNK = 5201, 1 << 18


def receive() -> None:
    """Count what one connection brings."""
    with socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        start, total = time.perf_counter(), 0
        buffer = bytearray(CHUNK)
        with connection:
            while count := connection.recv_into(buffer):
                total += count
        print(total / (time.perf_counter() - start) / 1e6, flush=True)


def send(address: str, seconds: float) -> None:
    """Send zeros."""
    data = bytes(CHUNK)
    with socket.create_connection((address, PORT)) as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(data)


if __name__ == "__main__":
    receive() if sys.argv[1] == "receive" else send(sys.argv[2], float(sys.argv[3]))
