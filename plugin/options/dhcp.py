"""The options of networks whose addresses come from the LAN's DHCP server."""

from plugin.options.dhcp_texts import VENDOR_CLASS, vendor_class
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, integer, toggle

LONGEST_TIMEOUT = 15  # seconds; the engine waits for 30, and pynet answers it within 20


class DhcpSettings(NetworkSettings):
    """Settings of networks of modes whose containers can have addresses of the LAN's DHCP server."""

    dhcp = Option(
        "pynet.dhcp",
        toggle,
        False,
        "on or off (for IPv4; IPv6 addresses come from the LAN's router, see docs/guide/lan.md)",
        "whether the LAN's DHCP server gives each container its address; needs `--ipam-driver null`",
    )
    dhcp_timeout = Option(
        "pynet.dhcp_timeout",
        integer(1, LONGEST_TIMEOUT),
        LONGEST_TIMEOUT,
        f"a number of seconds from 1 to {LONGEST_TIMEOUT}",
        "with `pynet.dhcp=on`: how long a container that starts waits for a server",
    )
    vendor_class = Option(
        "pynet.vendor_class",
        vendor_class,
        "pynet",
        VENDOR_CLASS,
        "with `pynet.dhcp=on`: the vendor class that servers are told (option 60)",
    )
