"""A packet, and whether it matches an expression of an nftables rule: yes, no, or unknown."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

Value = str | int
Elements = Mapping[str, Sequence[Any]]  # the elements of each named set and map, by name
# A listing names the same value by a number or by a name.
_SAME = {"tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmpv6": 58, "nd-neighbor-solicit": 135, "ipv4": 2, "ipv6": 10}
_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
_LAYERS = ("ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "arp", "esp", "ah")


class Packet:
    """The known fields of a packet, named as nft names them: "meta iifname", "ip saddr", "tcp dport".

    A missing field may have any value; a protocol without any field is not in the packet.
    """

    def __init__(self, known: Mapping[str, Value]) -> None:
        self._known = known
        self._layers = {key.partition(" ")[0] for key in known}

    def matches(self, match: Mapping[str, Any], elements: Elements) -> bool | None:
        """Return whether the packet matches an expression; None if unknown."""
        left, right, operator = match["left"], match["right"], match["op"]
        key = _key(left)
        if not key:
            return None
        layer = key.partition(" ")[0]
        if key not in self._known:
            return False if layer in _LAYERS and layer not in self._layers else None  # nft looks for the layer first
        found = _among(right, self._known[key], elements)
        if operator == "!=":
            return None if found is None else not found
        return found if operator in ("==", "in") else None

    def verdict(self, vmap: Mapping[str, Any], elements: Elements) -> Mapping[str, Any] | None:
        """Return the verdict of a verdict map for the packet, {} for none; None if unknown."""
        key, data = _key(vmap["key"]), vmap["data"]
        entries = elements.get(data[1:]) if isinstance(data, str) else data.get("set")
        if not key or key not in self._known or entries is None:
            return None
        answers = [(_among(want, self._known[key], elements), verdict) for want, verdict in entries]
        if any(answer is None for answer, _ in answers):
            return None
        return next((dict(verdict) for answer, verdict in answers if answer), {})


def _key(left: Any) -> str:
    """Return the field that a rule looks at, such as "meta iifname"; "" if it is not understood."""
    if not isinstance(left, Mapping) or len(left) != 1:
        return ""
    ((kind, what),) = left.items()
    if kind in ("meta", "ct") and isinstance(what, Mapping) and "dir" not in what:
        return f"{kind} {what.get('key')}"
    if kind == "payload" and "field" in what:
        return f"{what['protocol']} {what['field']}"
    return ""


def _among(right: Any, value: Value, elements: Elements) -> bool | None:
    if isinstance(right, Mapping):
        return _within(right, value, elements)
    if isinstance(right, list):  # flags, such as those of ct state
        return _any(_among(one, value, elements) for one in right)
    if isinstance(right, str) and right.startswith("@"):
        found = elements.get(right[1:])
        return None if found is None else _any(_among(one, value, elements) for one in found)
    return _equal(right, value)


def _within(right: Mapping[str, Any], value: Value, elements: Elements) -> bool | None:
    kind, what = only_item(right)
    if kind == "set":
        return _any(_among(one, value, elements) for one in what)
    if kind == "elem":
        return _among(what["val"], value, elements)
    try:
        if kind == "prefix":
            return ip_address(value) in ip_network(f"{what['addr']}/{what['len']}", strict=False)
        if kind == "range":
            first, last = what
            if isinstance(value, int):
                return int(first) <= value <= int(last)
            return int(ip_address(first)) <= int(ip_address(value)) <= int(ip_address(last))
    except (ValueError, TypeError):
        pass
    return None


def only_item(expression: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the kind and the value of an expression in nft's JSON, ("", None) for {}."""
    return next(iter(expression.items()), ("", None))


def _equal(right: Any, value: Value) -> bool:
    if isinstance(right, int) and value in _STATES:
        return bool(right & _STATES[str(value)])
    if isinstance(right, str) and right.endswith("*") and isinstance(value, str):
        return value.startswith(right[:-1])
    return bool(_SAME.get(str(right), right) == _SAME.get(str(value), value)) or str(right) == str(value)


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False
