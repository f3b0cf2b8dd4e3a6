"""Opens TCP connections one after the other for a while: ``serve PORT``, or ``connect ADDRESS PORT SECONDS``.

The client prints how many connections it opened in a second, and the microseconds until one was open (median).
"""

import socket
import statistics
import sys
import time


def serve(port: int) -> None:
    """Accept and close, until killed."""
    with socket.create_server(("", port), backlog=1024) as listener:
        print("ready", flush=True)
        while True:
            listener.accept()[0].close()


def connect(address: str, port: int, seconds: float) -> None:
    """Open and close."""
    taken: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        with socket.create_connection((address, port), 5) as sock:
            taken.append(time.perf_counter() - now)
            sock.recv(1)  # the server closes first, so that no port of ours stays occupied
    print(len(taken) / (time.perf_counter() - start), statistics.median(taken) * 1e6)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        connect(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
