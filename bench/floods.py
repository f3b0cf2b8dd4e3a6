"""Measures what a frame to all costs its sender in an overlay network of many hosts: ``python -m bench.floods``.

In a namespace made for it, a bridge with a VXLAN link sends a copy to each host, onto a veth. The time is the CPU time
of the sender, in whose context the kernel makes the copies.
"""

import json
import socket
import subprocess
import time
from pathlib import Path

from bench.hosts import RESULTS
from tests.kernel.namespaces import enter_fresh_namespace

HOSTS = (1, 2, 10, 25, 49)  # other hosts
FRAMES = 5000
SETTLE = 0.3  # seconds for the last copies
COUNTER = "ip -j -s link show ul0"
UNDERLAY = """
ip link set lo up
ip link add ul0 type veth peer name ul1; ip link set ul1 up; ip link set ul0 up; ip addr add 192.0.2.1/24 dev ul0
ip link add br0 type bridge mcast_snooping 0; ip link set br0 up
ip link add vx0 type vxlan id 77 local 192.0.2.1 dstport 4789 nolearning; ip link set vx0 master br0 up
ip link add p0 type veth peer name c0; ip link set p0 master br0 up; ip link set c0 up
"""


def sent() -> int:
    """Return the packets on the underlay."""
    found = subprocess.run(COUNTER.split(), capture_output=True, check=True)
    return int(json.loads(found.stdout)[0]["stats64"]["tx"]["packets"])


def measure(hosts: int) -> dict[str, float]:
    """Return packets and CPU microseconds for each frame to all."""
    frame = b"\xff" * 6 + bytes.fromhex("02000000000188b5") + bytes(1000)  # an EtherType for experiments
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("c0", 0))
        before, begin = sent(), time.process_time()
        for _ in range(FRAMES):
            link.send(frame)
        used = time.process_time() - begin
        time.sleep(SETTLE)
    return {"hosts": hosts, "packets": (sent() - before) / FRAMES, "us": used / FRAMES * 1e6}


def main() -> None:
    """Print a row for each number of hosts, and keep them."""
    enter_fresh_namespace()
    subprocess.run(["sh", "-ec", UNDERLAY], check=True)
    rows = []
    for number in range(1, max(HOSTS) + 1):
        host = f"192.0.2.{number + 1}"
        mac = f"02:00:00:00:01:{number:02x}"
        subprocess.run(["ip", "neigh", "add", host, "lladdr", mac, "dev", "ul0"], check=True)
        subprocess.run(["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx0", "self", "dst", host], check=True)
        if number in HOSTS:
            rows.append(min((measure(number) for _ in range(3)), key=lambda row: row["us"]))
            print("| {hosts} | {packets:.2f} | {us:.1f} |".format(**rows[-1]))
    RESULTS.mkdir(exist_ok=True)
    Path(RESULTS / "floods.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
