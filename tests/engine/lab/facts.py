"""All that an engine and the kernel say of a container upon a link of the host, to compare drivers."""

import json

from tests.engine.lab.outside import OUTSIDE4, OUTSIDE6
from tests.engine.lab.scene import Container

SUBNET, SUBNET6 = "198.51.100.0/24", "2001:db8:99::/64"
V4 = ("--subnet", SUBNET, "--gateway", OUTSIDE4)
V6 = ("--ipv6", "--subnet", SUBNET6, "--gateway", OUTSIDE6)


def facts(container: Container, net: str) -> dict[str, object]:
    """Return what a container and `docker inspect` show of its network, without what is chosen at random."""
    seen = container.endpoint(net)
    addresses = [line.split()[2:4] for line in container.net("ip", "-o", "addr", "show", "dev", "eth0").splitlines()]
    link = json.loads(container.net("ip", "-j", "-d", "link", "show", "dev", "eth0"))[0]
    return {
        "addresses": sorted(each for each in addresses if not each[1].startswith("fe80")),
        "routes": [container.net("ip", family, "route", "show").split("\n") for family in ("-4", "-6")],
        "mtu": link["mtu"],
        "kind": link["linkinfo"]["info_kind"],
        "modes": {key: value for key, value in link["linkinfo"]["info_data"].items() if "queue" not in key},
        "inspected": {key: seen[key] for key in ("IPAddress", "IPPrefixLen", "Gateway", "GlobalIPv6Address")},
        "internal": container.host.docker.inspect("network", net)["Internal"],
        "IPAM": sorted(map(str, container.host.docker.inspect("network", net)["IPAM"]["Config"])),
    }
