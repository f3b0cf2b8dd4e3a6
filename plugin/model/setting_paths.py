"""Which settings of the host pynet may change: a path that is read from a file is not trusted to be one of them."""

import re

from netlink.sysctl import FORWARDING
from plugin.options.option import is_link_name

_OF_LINKS = {
    "4": frozenset(
        [
            "accept_local",
            "accept_redirects",
            "arp_accept",
            "arp_announce",
            "arp_filter",
            "arp_ignore",
            "arp_notify",
            "forwarding",
            "proxy_arp",
            "proxy_arp_pvlan",
            "route_localnet",
            "rp_filter",
            "send_redirects",
        ]
    ),
    "6": frozenset(
        [
            "accept_dad",
            "accept_ra",
            "accept_redirects",
            "addr_gen_mode",
            "autoconf",
            "disable_ipv6",
            "forwarding",
            "proxy_ndp",
        ]
    ),
}
_PATH = re.compile(r"net/ipv([46])/conf/([^/]+)/([a-z0-9_]+)")


def is_changeable(path: str) -> bool:
    """Say whether pynet may have changed ``path`` below /proc/sys: forwarding, or a setting of one link."""
    if path in FORWARDING.values():
        return True
    found = _PATH.fullmatch(path)
    return found is not None and found[3] in _OF_LINKS[found[1]] and is_link_name(found[2])


def check_setting(path: str, value: str) -> None:
    """Check a setting and a value that it had; raises ValueError for any other path, or a value of more than digits."""
    if not is_changeable(path):
        raise ValueError(f"'{ascii(path)[1:-1]}' is no setting that pynet changes")
    if not re.fullmatch(r"[0-9]{1,10}", value, re.ASCII):
        raise ValueError(f"'{ascii(value)[1:-1]}' is no value of setting '{path}'")
