"""Checks of words that become part of names, rules and paths of the kernel."""

import re
from collections.abc import Iterable

from plugin.options.option import is_link_name

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}", re.ASCII)  # as handlers read it
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)


def check_names(*, ids: Iterable[str] = (), links: Iterable[str] = (), mac: str = "") -> None:
    """Check ids, link names and a MAC that become part of names, rules and paths of the kernel; raises ValueError.

    Requests are read strictly, but a record may come from a file that somebody else wrote.
    """
    bad = [text for text in ids if not _ID.fullmatch(text)] + [text for text in links if not is_link_name(text)]
    if mac and not _MAC.fullmatch(mac):
        bad.append(mac)
    if bad:
        raise ValueError(f"{bad[0]!a} is no id, name of a link or MAC address")
