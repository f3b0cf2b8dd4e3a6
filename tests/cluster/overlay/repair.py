"""Moves an open TCP connection from one container to another, as CRIU does (TCP_REPAIR, include/uapi/linux/tcp.h).

``serve PORT`` accepts a connection, echoes three messages, prints its state as JSON, and does nothing more with it: its
end would reset the connection as long as the container has its link. ``go_on STATE`` makes the connection again, and
echoes until the end. ``talk HOST PORT`` sends each line of its input, and prints the answers.
"""

import json
import socket
import struct
import sys
from typing import Any

REPAIR, QUEUE, SEQUENCE, OPTIONS, WINDOW = 19, 20, 21, 22, 29
RECEIVE, SEND = 1, 2  # queues
MSS, SCALE, SACK, STAMP = 2, 3, 4, 8  # options of RFC 9293 and RFC 7323
TIMESTAMP = 24
_WINDOW = "5I"


def dump(connection: socket.socket) -> dict[str, Any]:
    """Return the state of a connection, which is frozen."""
    connection.setsockopt(socket.IPPROTO_TCP, REPAIR, 1)
    state: dict[str, Any] = {"here": connection.getsockname()[:2], "there": connection.getpeername()[:2]}
    for queue in (RECEIVE, SEND):
        connection.setsockopt(socket.IPPROTO_TCP, QUEUE, queue)
        state[str(queue)] = connection.getsockopt(socket.IPPROTO_TCP, SEQUENCE) & 0xFFFFFFFF
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 24)
    state["mss"] = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    state["options"], state["scales"] = info[5], info[6]  # tcpi_options, and both window scales in one byte
    state["stamp"] = connection.getsockopt(socket.IPPROTO_TCP, TIMESTAMP)
    state["window"] = list(struct.unpack(_WINDOW, connection.getsockopt(socket.IPPROTO_TCP, WINDOW, 20)))
    return state


def restore(state: dict[str, Any]) -> socket.socket:
    """Return the connection of ``dump``."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, REPAIR, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for queue in (SEND, RECEIVE):
        connection.setsockopt(socket.IPPROTO_TCP, QUEUE, queue)
        connection.setsockopt(socket.IPPROTO_TCP, SEQUENCE, struct.pack("I", state[str(queue)]))
    connection.bind(tuple(state["here"]))
    connection.connect(tuple(state["there"]))
    options = [(MSS, state["mss"])]
    options += [(SACK, 0)] if state["options"] & 2 else []
    options += [(SCALE, (state["scales"] & 15) | (state["scales"] >> 4) << 16)] if state["options"] & 4 else []
    options += [(STAMP, 0)] if state["options"] & 1 else []
    packed = b"".join(struct.pack("II", *option) for option in options)
    connection.setsockopt(socket.IPPROTO_TCP, OPTIONS, packed)
    connection.setsockopt(socket.IPPROTO_TCP, TIMESTAMP, struct.pack("I", state["stamp"] & 0xFFFFFFFF))
    connection.setsockopt(socket.IPPROTO_TCP, WINDOW, struct.pack(_WINDOW, *state["window"]))
    connection.setsockopt(socket.IPPROTO_TCP, REPAIR, 0)
    return connection


def serve(port: int) -> None:
    """Echo three messages."""
    with socket.create_server(("", port)) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        for _ in range(3):
            connection.sendall(connection.recv(64))
        sys.stdin.readline()
        print(json.dumps(dump(connection)), flush=True)
        sys.stdin.readline()


def go_on(state: str) -> None:
    """Echo on the connection of another container."""
    connection = restore(json.loads(state))
    print("ready", flush=True)
    while message := connection.recv(64):
        connection.sendall(message)


def talk(host: str, port: int) -> None:
    """Send lines."""
    with socket.create_connection((host, port)) as connection:
        for line in sys.stdin:
            connection.sendall(line.encode())
            print(connection.recv(64).decode(), end="", flush=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "serve":
        serve(int(words[0]))
    elif what == "talk":
        talk(words[0], int(words[1]))
    else:
        go_on(words[0])
