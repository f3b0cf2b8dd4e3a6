"""Messages of a big-endian machine (s390x) are read in its own byte order."""

import subprocess
import sys
from pathlib import Path

import pytest

NETLINK = Path(__file__).parents[2] / "netlink"
# The host's byte order counts when modules are loaded, hence a process of its own.
BIG = """
import sys
sys.byteorder = "big"
from netlink import addresses, devconf, limits, links, listeners, request, wire
b = bytes.fromhex
"""
LINK = "00000001 00000007 00000001 00000000"  # struct ifinfomsg: index 7, up
LINK += "0008 0003 61620000 0008 0004 000005dc 0008 000a 00000009 0008 001b 00000102"  # name, MTU, master, group
ADDRESS = "02180000 00000007 0008 0002 0a090001"  # struct ifaddrmsg, IFA_LOCAL
BUCKET = "00000000 00000007 706e0000 ffffffff 00000000 0008 0001 74626600 002c 0002 0028 0001"  # struct tcmsg, tbf
BUCKET += "00010000 00000000 001312d0 00000000 00000000 00000000 00012000 00190000 00000000"  # struct tc_tbf_qopt
REFUSAL = "00000014 0002 0010 00000001 00000000 ffffffef"  # struct nlmsghdr with NLM_F_DUMP_INTR, -EEXIST
SETTINGS = "000c 0002 0008 0001 00000001"  # IFLA_INET_CONF, whose first number is forwarding
SENT = "00000028 0013 0005 00000001 00000000 00000000 00000007 00000000 00000000 0008 0004 000005dc"  # RTM_SETLINK

READ = {
    f"x = links.parse_link(b('{LINK}'))\nprint(x.index, x.name, x.mtu, x.master, x.group)": "7 ab 1500 9 258",
    f"print(*addresses.parse_address(b('{ADDRESS}')))": "7 10.9.0.1/24",
    f"for kind, flags, body in wire.messages(b('{REFUSAL}')): print(kind, flags, wire.error_number(body))": "2 16 17",
    f"print(*devconf.read_settings(['net/ipv4/conf/x/forwarding'], b('{SETTINGS}')).values())": "1",
    "print(listeners._address('7F000001'))": "127.0.0.1",  # as /proc/net/tcp has it there
    f"print(limits._bucket(b('{BUCKET}')))": "Bucket(rate=1250000, burst=131072, queue=73728)",
    f"print(request.change(7, wire.word(4, 1500)) == b('{SENT}'))": "True",
}


@pytest.mark.parametrize("code", READ)
def test_big_endian_messages_are_read(code: str) -> None:
    """Made by the kernel's headers; what packets carry too is in network order there as well."""
    done = subprocess.run([sys.executable, "-c", BIG + code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == READ[code]


def test_nothing_takes_the_host_for_little_endian() -> None:
    """Its byte order is asked for, never assumed."""
    assert not [file.name for file in NETLINK.glob("*.py") if '"little")' in file.read_text()]
