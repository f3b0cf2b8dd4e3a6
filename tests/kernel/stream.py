"""A busy TCP connection: "talk ADDRESS PORT" sends words until its stdin ends, "serve PORT" repeats them."""

import select
import socket
import sys


def serve(port: int) -> None:
    """Repeat what one connection sends."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        with server.accept()[0] as connection:
            while data := connection.recv(2048):
                connection.sendall(data)


def talk(address: str, port: int) -> None:
    """Send a word, wait for it to come back, and so on; say when the first came back, and at the end how many did."""
    count = 0
    with socket.create_connection((address, port), timeout=10) as connection:
        while not select.select([sys.stdin], [], [], 0.001)[0]:
            connection.sendall(b"word\n")
            received = connection.recv(2048)
            assert received == b"word\n", received
            count += 1
            if count == 1:
                print("ready", flush=True)
    print(count, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        talk(sys.argv[2], int(sys.argv[3]))
