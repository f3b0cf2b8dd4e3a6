"""How packets get from host to host in a network that hosts share."""

from collections.abc import Mapping

from plugin.options.option import Option, choice

VXLAN, DIRECT, AUTO = TUNNELS = ("vxlan", "direct", "auto")

TUNNEL_OPTION = Option(
    "pynet.tunnel",
    choice(*TUNNELS),
    VXLAN,
    "vxlan, direct or auto",
    "how packets get to other hosts of an `overlay` network: `vxlan` in a tunnel; `direct` as they are, by routes to "
    "the containers, if all hosts are on one segment; `auto` directly to hosts on the segment and by the tunnel to "
    "hosts behind a router",
)


def uses_tunnel(tunnel: str) -> bool:
    """Return whether a network has frames in the tunnel; with ``auto`` frames to all always go there."""
    return tunnel != DIRECT


def uses_routes(tunnel: str) -> bool:
    """Return whether a network may have routes to containers of other hosts."""
    return tunnel != VXLAN


def is_routed(options: Mapping[str, str]) -> bool:
    """Return whether a network with ``options`` may have routes to containers of other hosts."""
    return uses_routes(options.get(TUNNEL_OPTION.key, VXLAN))
