"""A TCP connection that stays open: ``serve PORT…`` echoes lines, ``talk ADDRESS PORT`` sends those that it reads.

``talk ADDRESS PORT OWN`` connects from port OWN.

The talker prints each echo, and "ended" if the connection is reset or no echo comes.
"""

import socket
import sys
import threading

PATIENCE = 2.0  # seconds for an echo


def serve(*ports: int) -> None:
    """Echo, each connection in a thread of its own."""
    servers = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in ports]
    for server in servers:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def _accept(server: socket.socket) -> None:
    while True:
        threading.Thread(target=_echo, args=(server.accept()[0],), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)


def talk(address: str, port: int, own: int = 0) -> None:
    """Send each line of the standard input."""
    with socket.create_connection((address, port), PATIENCE, ("", own)) as connection:
        print("open", flush=True)
        for line in sys.stdin:
            try:
                connection.sendall(line.encode())
                answer = connection.recv(100).decode().strip()
            except OSError:
                answer = ""
            print(answer or "ended", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*map(int, sys.argv[2:]))
    else:
        talk(sys.argv[2], *map(int, sys.argv[3:]))
