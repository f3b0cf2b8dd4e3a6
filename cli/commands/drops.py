"""``pynet drops``: packets that pynet's tables dropped, counted or one by one as they are dropped."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.commands.address_book import AddressBook
from cli.commands.ports import joined
from cli.commands.selection import Selection
from cli.human import ago
from cli.tables import as_table, wrapped
from netlink.headers import Headers
from netlink.nflog import LoggedPacket
from plugin.firewall.reasons import BY_NAME, LOG_PREFIX

Row = Mapping[str, Any]


def rows_of(reply: Mapping[str, Any], known: AddressBook) -> list[Row]:
    """Return a row for each reason, sender and receiver in the reply to the verb Drops, the newest last."""
    return [
        {
            **_reason(drop["Reason"]),
            "network": drop["Network"],
            "network_name": known.network_name(drop["Network"]),
            "from": _counted_end(known, drop["From"]),
            "to": _counted_end(known, drop["To"]),
            "packets": drop["Packets"],
            "since": drop["Since"],
            "last": drop["Last"],
        }
        for drop in reply["Drops"]
    ]


def packets_of(packets: Iterable[LoggedPacket], known: AddressBook) -> Iterator[Row]:
    """Yield a row for each packet of the kernel's log that is pynet's."""
    for packet in packets:
        if packet.prefix.startswith(LOG_PREFIX):
            yield _packet(packet, known)


def of(rows: Iterable[Row], selection: Selection) -> Iterator[Row]:
    """Yield the rows about chosen containers and networks."""
    for row in rows:
        ends = [(end["network"], end["container"], end["endpoint"]) for end in (row["from"], row["to"])]
        if any(selection.has(*one) for one in [(row["network"], "", ""), *ends]):
            yield row


def as_text(rows: Sequence[Row], now: float) -> str:
    """Return rows of ``rows_of`` for people, and behind them each of their reasons with the way to open it."""
    if not rows:
        return "no packet was dropped"
    lines = [["FROM", "TO", "REASON", "PACKETS", "FIRST", "LAST"]]
    for row in rows:
        ends = (name_of(row[end]) for end in ("from", "to"))
        moments = (ago(now - row[key]) for key in ("since", "last"))
        lines.append([*ends, row["reason"], str(row["packets"]), *moments])
    reasons = {row["reason"]: row for row in rows}
    told = [wrapped(f"{name}: {row['sentence']}{_opens(row)}", 2) for name, row in sorted(reasons.items())]
    return "\n".join([as_table(lines), "", *told])


def as_line(row: Row) -> str:
    """Return a row of ``packets_of`` for people."""
    moment = datetime.fromtimestamp(row["time"]).astimezone().isoformat(timespec="milliseconds")
    ends = " -> ".join(name_of(row[end]) for end in ("from", "to"))
    return " ".join(filter(None, [moment, ends, row["protocol"], row["detail"], f"dropped: {row['reason']}"]))


def as_json_line(row: Row) -> str:
    """Return a row of ``packets_of`` for scripts (``spec/cli/drop-line.json``)."""
    return json.dumps(row)


def _packet(packet: LoggedPacket, known: AddressBook) -> Row:
    headers, reason = packet.headers, packet.prefix.removeprefix(LOG_PREFIX)
    sender = end_of(known, "", str(headers.source or ""), packet.port_in or packet.link_in) | _port(headers.source_port)
    receiver = end_of(known, "", str(headers.target or ""), packet.port_out or packet.link_out)
    receiver |= _port(headers.target_port)
    by_target = reason in BY_NAME and BY_NAME[reason].by_target
    first, second = (receiver, sender) if by_target else (sender, receiver)
    network = first["network"] or second["network"]
    return {
        "time": packet.time,
        **_reason(reason),
        "network": network,
        "network_name": known.network_name(network),
        "from": sender,
        "to": receiver,
        **words_of(headers),
    }


def words_of(headers: Headers) -> Row:
    """Return the protocol of a packet, and details such as flags."""
    return {"protocol": headers.protocol, "detail": headers.detail}


def _reason(name: str) -> Row:
    known = BY_NAME.get(name)
    return {"reason": name, "sentence": known.sentence if known else "", "opens": known.opens if known else ""}


def _counted_end(known: AddressBook, end: Mapping[str, Any]) -> Row:
    """Return the sender or the receiver of earlier packets: somebody else may have its address by now."""
    return end_of(known, end["Endpoint"], "", "") | {"address": end["Address"], "link": end["Link"]}


def end_of(known: AddressBook, endpoint: str, address: str, link: str) -> dict[str, Any]:
    """Return the sender or the receiver of packets, with the names of its container and network."""
    owner = known.owner(endpoint, link, address)
    return {
        "container": owner.container,
        "endpoint": owner.endpoint or endpoint,
        "network": owner.network,
        "network_name": owner.network_name,
        "address": address,
        "link": link,
    }


def _port(number: int) -> dict[str, int]:
    return {"port": number}


def name_of(end: Row) -> str:
    """Return "web (10.9.0.2:80)", or as much of that as is known."""
    address, port = end["address"], end.get("port", 0)
    place = joined(address, port) if address and port else address
    who = end["container"] or end["endpoint"][:12]
    if who:
        return f"{who} ({place})" if place else who
    return place or end["link"] or "-"


def _opens(row: Row) -> str:
    return f"; to let them pass: {row['opens']}" if row["opens"] else ""


def now() -> float:
    """Return the seconds since 1970."""
    return time.time()
