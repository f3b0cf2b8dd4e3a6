"""The option of networks on a LAN by which their containers and the host reach each other."""

from plugin.options.option import Option, toggle
from plugin.options.parent import ParentSettings


class HostAccessSettings(ParentSettings):
    """Settings of a network whose containers the kernel keeps apart from the host."""

    host_access = Option(
        "pynet.host_access",
        toggle,
        False,
        "on or off",
        "whether the host and the containers reach each other, at the host's own addresses on the LAN; by default the "
        "kernel keeps them apart",
        live=True,
    )
