"""``send LINK HEX`` sends a frame; ``hear LINK HEX`` prints "ready", and "heard" if one comes within a second."""

import select
import socket
import sys
import time

ETH_P_ALL = 3  # linux/if_ether.h
PATIENCE = 1.0  # seconds


def main(verb: str, link: str, frame: bytes) -> None:
    """Send or await ``frame``."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind((link, 0))
        if verb == "send":
            sock.send(frame)
            return
        print("ready", flush=True)
        end = time.monotonic() + PATIENCE
        while (rest := end - time.monotonic()) > 0:
            if select.select([sock], [], [], rest)[0] and sock.recv(2048).startswith(frame):
                print("heard")
                return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))
