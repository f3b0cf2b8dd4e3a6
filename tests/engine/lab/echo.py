"""Answer TCP connections and UDP datagrams to PORT ... with the address they came from; ends when stdin does."""

import selectors
import socket
import sys


def seen(address: str) -> bytes:
    """The address as a line, without the IPv6 clothes of an IPv4 one."""
    return address.removeprefix("::ffff:").encode() + b"\n"


def opened(port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for ``port`` of both protocols."""
    tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", port))
    return tcp, udp


def main(ports: list[int]) -> None:
    """Serve ``ports`` of both protocols and families."""
    with selectors.DefaultSelector() as ready:
        ready.register(sys.stdin, selectors.EVENT_READ)
        for port in ports:
            for source in opened(port):
                ready.register(source, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in ready.select():
                sock = key.fileobj
                if not isinstance(sock, socket.socket):
                    return
                if sock.type == socket.SOCK_STREAM:
                    connection, peer = sock.accept()
                    with connection:
                        connection.sendall(seen(peer[0]))
                else:
                    _, peer = sock.recvfrom(2048)
                    sock.sendto(seen(peer[0]), peer)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
