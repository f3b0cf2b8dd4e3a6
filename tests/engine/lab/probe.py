"""Ask the echo at ADDRESS PORT over tcp or udp whom it sees; prints its answer, ends with 1 when none comes in 2 s."""

import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def main(kind: str, address: str, port: int) -> int:
    """Ask once; a datagram is repeated, since a first one may be lost to address resolution."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, KINDS[kind]) as asker:
        asker.settimeout(1)
        for _ in range(2):
            try:
                asker.connect((address, port))
                asker.send(b"?")
                print(asker.recv(2048).decode().strip())
            except OSError as error:
                print(error, file=sys.stderr)
            else:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
