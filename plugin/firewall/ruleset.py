"""pynet's nftables table: static rules, and sets in which every network is one element or two.

Nothing here touches the kernel: functions turn networks into text that is applied whole. The same elements are
added and deleted, so both directions share one description.

    forward (before iptables' own filter chain, so that a drop here is final, whatever others accept)
      same network           accept
      internal network       drop, both ways
      replies into a network accept
      anything else into one drop           isolation from other networks, from Docker's, from outside
      out to Docker's bridge drop
    postrouting
      out of a network       masquerade, unless it goes to another network
"""

from collections.abc import Iterable, Mapping, Sequence

from plugin.model import Network

Elements = Mapping[str, Sequence[str]]  # set name -> elements in nft syntax

SETS = {
    "links": "ifname",
    "inside": "ifname . ifname",
    "internal": "ifname",
    "outbound": "ifname . nf_proto",
    "docker": "ifname",
}

RULES = """\
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    iifname . oifname @inside accept
    iifname @internal drop
    oifname @internal drop
    oifname @links ct state established,related accept
    oifname @links drop
    iifname @links oifname @docker drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != @links iifname . meta nfproto @outbound masquerade
  }
"""


def table_text(table: str, contents: Iterable[Elements]) -> str:
    """Return the transaction that replaces the whole table by the static rules and ``contents``."""
    sets = "".join(f"  set {name} {{ type {kind}; }}\n" for name, kind in SETS.items())
    lines = [f"table inet {table}", f"delete table inet {table}", f"table inet {table} {{\n{sets}{RULES}}}"]
    lines += [add_text(table, elements) for elements in contents]
    return "\n".join(lines) + "\n"


def add_text(table: str, elements: Elements) -> str:
    """Return the lines that add ``elements``; adding what is there already changes nothing."""
    return "".join(
        f"add element inet {table} {name} {{ {', '.join(values)} }}\n" for name, values in elements.items() if values
    )


def delete_text(table: str, elements: Elements) -> str:
    """Return the lines that delete ``elements``, present or not: nft refuses to delete what is absent."""
    return add_text(table, elements) + "".join(
        f"delete element inet {table} {name} {{ {', '.join(values)} }}\n" for name, values in elements.items() if values
    )


def network_elements(network: Network) -> Elements:
    """Return what stands in the sets for ``network``."""
    link = f'"{network.link}"'
    families = ["ipv4" if subnet.pool.version == 4 else "ipv6" for subnet in network.subnets]
    return {
        "links": [link],
        "inside": [f"{link} . {link}"],
        "internal": [link] if network.internal else [],
        "outbound": [] if network.internal else [f"{link} . {family}" for family in families],
    }


def docker_elements(names: Iterable[str]) -> Elements:
    """Return what stands in the sets for Docker's own bridges."""
    return {"docker": [f'"{name}"' for name in sorted(names)]}
