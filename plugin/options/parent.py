"""The options of networks whose containers are on a link of the host, and through it on the LAN."""

from collections.abc import Callable

from plugin.options.dhcp import DhcpSettings
from plugin.options.option import Option, link_name


def word_or_first(*legal: str) -> Callable[[str], str]:
    """Parse one of ``legal``; the empty text is the first, as for the built-in drivers."""

    def parse(text: str) -> str:
        if text not in ("", *legal):
            raise ValueError(text)
        return text or legal[0]

    return parse


class ParentSettings(DhcpSettings):
    """Settings of a network on a link of the host; the key is that of the built-in drivers (moby drivers/macvlan)."""

    parent = Option(
        "parent",
        link_name,
        "",
        "a name of up to 15 bytes without spaces, quotes or any of / : * % \\",
        "link of the host upon which the containers are, in mode `lan` a bridge of yours; for the others `eth0.50`, if "
        "it is not there, is made as VLAN 50 of `eth0`, and removed with its last network; without the option their "
        "networks lead nowhere",
    )
