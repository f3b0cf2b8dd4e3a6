"""Answer every TCP connection and UDP datagram with the address it came from; ends when standard input does."""

import selectors
import socket
import sys


def seen(address: str) -> bytes:
    """The address as a line, without the IPv6 clothes of an IPv4 one."""
    return address.removeprefix("::ffff:").encode() + b"\n"


def main(port: int) -> None:
    """Serve ``port`` of both protocols and families."""
    tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", port))
    with selectors.DefaultSelector() as ready:
        for source in (tcp, udp, sys.stdin):
            ready.register(source, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in ready.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is tcp:
                    connection, peer = tcp.accept()
                    with connection:
                        connection.sendall(seen(peer[0]))
                else:
                    _, peer = udp.recvfrom(2048)
                    udp.sendto(seen(peer[0]), peer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
