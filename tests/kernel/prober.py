"""Answers on ports, or asks many answerers at once; runs in the namespace of a container.

``serve PORT…`` answers on TCP and UDP of both families, and prints a line when it is ready. ``ask`` reads lines of
JSON, [protocol, source, address, port], and prints a line for each: passed, reset, prohibited or lost. ``hammer
SECONDS`` asks the same all the time, from other ports, and prints how many of how many passed.
"""

import errno
import json
import select
import socket
import sys
import time

PATIENCE = 2.5  # seconds until an answer is lost; a question is repeated once meanwhile
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "icmp": socket.SOCK_RAW}
ECHO = {socket.AF_INET: bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), socket.AF_INET6: bytes([128, 0, 0, 0, 0, 0, 0, 0])}
REFUSED = {errno.ECONNREFUSED: "reset", errno.EHOSTUNREACH: "prohibited", errno.EACCES: "prohibited"}


def serve(ports: list[int]) -> None:
    """Answer until the standard input ends."""
    listening = []
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = socket.socket(socket.AF_INET6, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            listening.append(sock)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([*listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        for sock in (each for each in listening if each in ready):
            if sock.type == socket.SOCK_STREAM:
                peer, _ = sock.accept()
                peer.close()
            else:
                sock.sendto(b"!", sock.recvfrom(64)[1])


class Question:
    """One question, and the fate that it had so far."""

    def __init__(self, protocol: str, source: str, address: str, port: int) -> None:
        self.protocol, self.fate = protocol, "lost"
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        number = {"icmp": socket.IPPROTO_ICMP if self.family == socket.AF_INET else socket.IPPROTO_ICMPV6}
        self.sock = socket.socket(self.family, KINDS[protocol], number.get(protocol, 0))
        self.sock.setblocking(False)
        try:
            if source:
                self.sock.bind((source, 0))
            where = socket.getaddrinfo(address, port if protocol != "icmp" else 0, self.family, KINDS["udp"])[0][4]
            self.sock.connect(where)
        except BlockingIOError:
            pass
        except OSError as error:
            self.fate = REFUSED.get(error.errno or 0, "lost")

    def send(self) -> None:
        """Ask; TCP asks again by itself."""
        if self.protocol != "tcp" and self.fate == "lost":
            try:
                self.sock.send(ECHO[self.family] if self.protocol == "icmp" else b"?")
            except OSError as error:
                self.fate = REFUSED.get(error.errno or 0, "lost")

    def look(self) -> None:
        """Take an answer, if there is one."""
        if self.protocol == "tcp":
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.fate = REFUSED.get(number, "lost") if number else "passed"
            return
        try:
            got = self.sock.recv(256)
        except OSError as error:
            self.fate = REFUSED.get(error.errno or 0, "lost")
            return
        kind = got[20] if self.family == socket.AF_INET and self.protocol == "icmp" else got[0]
        if self.protocol == "udp" or kind in (0, 129):
            self.fate = "passed"


def ask() -> None:
    """Ask everything at once."""
    questions = [Question(*json.loads(line)) for line in sys.stdin]
    end, again = time.monotonic() + PATIENCE, time.monotonic()
    while time.monotonic() < end:
        if time.monotonic() >= again:
            again = time.monotonic() + PATIENCE / 2
            for question in questions:
                question.send()
        open_ends = {q.sock.fileno(): q for q in questions if q.fate == "lost"}
        tcp = [number for number, q in open_ends.items() if q.protocol == "tcp"]
        readable, writable, _ = select.select(list(open_ends.keys() - set(tcp)), tcp, [], 0.1)
        for number in (*readable, *writable):
            open_ends[number].look()
        if not open_ends:
            break
    print("\n".join(question.fate for question in questions))


def hammer(seconds: float) -> None:
    """Ask anew every 10 ms, and count."""
    lines = [json.loads(line) for line in sys.stdin]
    asked: list[list[Question]] = [[] for _ in lines]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line, of_line in zip(lines, asked, strict=True):
            question = Question(*line)
            question.send()
            of_line.append(question)
        time.sleep(0.01)
    time.sleep(PATIENCE)
    for question in (each for of_line in asked for each in of_line):
        poll = select.poll()
        poll.register(question.sock, select.POLLOUT if question.protocol == "tcp" else select.POLLIN)
        if question.fate == "lost" and poll.poll(0):
            question.look()
    for of_line in asked:
        print(sum(question.fate == "passed" for question in of_line), len(of_line))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve([int(port) for port in sys.argv[2:]])
    elif sys.argv[1] == "hammer":
        hammer(float(sys.argv[2]))
    else:
        ask()
