"""A TCP connection that stays open: ``serve PORT`` echoes lines, ``talk ADDRESS PORT`` sends those that it reads.

The talker prints each echo, and "ended" if the connection is reset or no echo comes.
"""

import socket
import sys

PATIENCE = 2.0  # seconds for an echo


def serve(port: int) -> None:
    """Echo, one connection after the other in threads of their own."""
    import threading

    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        while True:
            threading.Thread(target=_echo, args=(server.accept()[0],), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)


def talk(address: str, port: int) -> None:
    """Send each line of the standard input."""
    with socket.create_connection((address, port), PATIENCE) as connection:
        print("open", flush=True)
        for line in sys.stdin:
            try:
                connection.sendall(line.encode())
                answer = connection.recv(100).decode().strip()
            except OSError:
                answer = ""
            print(answer or "ended", flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[2])) if sys.argv[1] == "serve" else talk(sys.argv[2], int(sys.argv[3]))
