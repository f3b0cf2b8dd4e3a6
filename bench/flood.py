"""Sends one frame many times: ``flood.py LINK FRAME-IN-HEX COUNT`` prints the nanoseconds of CPU of one.

The sender's CPU carries a frame through the bridge and all rules to the other container, so this is the frame's whole
cost. The frames are sent in blocks of 500; one block in twenty is quicker than the figure, which keeps other load out.
"""

import socket
import sys
import time

BLOCK = 500


def flood(link: str, frame: bytes, count: int) -> float:
    """Return the nanoseconds of CPU that one frame takes."""
    found = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((link, 0))
        for _ in range(count // BLOCK):
            before = time.thread_time_ns()
            for _ in range(BLOCK):
                sender.send(frame)
            found.append((time.thread_time_ns() - before) / BLOCK)
    return sorted(found)[len(found) // 20]


if __name__ == "__main__":
    print(flood(sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3])))
