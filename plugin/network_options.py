"""The options of ``docker network create -o`` that pynet reads."""

from plugin.options import Option, choice, integer, link_prefix

MODE = Option("pynet.mode", choice("bridge"), "bridge", "bridge", "how the network is made")
MTU = Option(
    "com.docker.network.driver.mtu",
    integer(0, 65535),
    0,
    "a number of bytes from 0 to 65535",
    "largest packet, on the bridge and on both ends of every endpoint; 0 leaves the kernel's 1500",
)
LINK_PREFIX = Option(
    "com.docker.network.container_iface_prefix",
    link_prefix,
    "eth",
    "1 to 12 characters without spaces, / : or %",
    "beginning of the interface name in the container; the engine appends a number",
)

NETWORK_OPTIONS = (MODE, MTU, LINK_PREFIX)
