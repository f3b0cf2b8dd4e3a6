"""``pynet dns status``: what the resolver does, and how many questions it had."""

from collections.abc import Mapping
from typing import Any

from cli.human import count
from cli.tables import as_table

_MEANINGS = {
    "own": "from names of containers",
    "cached": "from the cache",
    "forwarded": "by servers of the host",
    "refused": "refused",
    "failed": "failed: no server answered, or there were too many questions",
}


def as_data(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to the verb Resolver for scripts."""
    return {
        "networks": reply["Networks"],
        "addresses": reply["Addresses"],
        "port": reply["Port"],
        "trouble": reply["Trouble"],
        "servers": reply["Servers"],
        "questions": reply["Questions"],
        "cached_answers": reply["Kept"],
    }


def serves(data: Mapping[str, Any]) -> bool:
    """Return whether the resolver serves, or nobody wants it."""
    return bool(data["addresses"]) or not data["networks"]


def as_text(data: Mapping[str, Any]) -> str:
    """Return ``as_data`` for people."""
    asked = [[str(data["questions"].get(outcome, 0)), meaning] for outcome, meaning in _MEANINGS.items()]
    return "\n".join(
        [
            f"resolver: {_state(data)}",
            f"asks: {', '.join(data['servers']) or 'nobody: /etc/resolv.conf of this host names no server'}",
            f"cache: {count(data['cached_answers'], 'answer')}",
            "questions since the start of pynet:",
            *(f"  {line}" for line in as_table(asked).splitlines()),
        ]
    )


def _state(data: Mapping[str, Any]) -> str:
    networks = count(data["networks"], "network")
    if data["addresses"]:
        return f"serves {networks} at {' and '.join(data['addresses'])}, port {data['port']}"
    if not data["networks"]:
        return "does not run, because no network has pynet.dns"
    return f"does not serve {networks}: {data['trouble'] or 'it is about to begin'}"
