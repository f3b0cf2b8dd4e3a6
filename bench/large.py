"""Lets links of this network namespace take packets of 192 kB in one piece (BIG TCP).

    python -m bench.large LINK...

iproute2 6.1 cannot say it for IPv4.
"""

import sys

from netlink.kernel import Kernel
from plugin.host.packet_size import BIG

if __name__ == "__main__":
    for name in sys.argv[1:]:
        Kernel().set_gso(name, BIG)
