"""Decides who may read the page: who knows its token, and no other page of the same browser.

A web site whose name is made to lead to 127.0.0.1 (DNS rebinding) sends its own name as Host, and another page sends
its own Origin. The token is a secret of this run. The browser gets it behind the # of the address and never sends that
part; the page sends it in a header, which no other page can do. A cookie would also go to every other server on
127.0.0.1, because cookies do not know ports (RFC 6265 section 8.5).
"""

import hmac
from email.message import Message

NAMES = frozenset({"127.0.0.1", "localhost"})
SCHEME = "Bearer "


def flaw_of_host(headers: Message) -> str:
    """Return why a request does not come from this page, "" if it may; the port may be that of a tunnel of ssh."""
    host = headers.get("Host", "")
    name, _, port = host.partition(":")
    if name not in NAMES or not (port.isascii() and port.isdecimal()):
        return "this page is served to 127.0.0.1 and localhost only"
    if headers.get("Origin", f"http://{host}") != f"http://{host}":
        return "another page may not read this one"
    return ""


def flaw_of_reader(headers: Message, token: str) -> str:
    """Return why a request may not read data, "" if it may."""
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return "another page may not read this one"
    given = headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"{SCHEME}{token}".encode()):
        return "the token is missing or wrong; open the address that 'pynet page' printed"
    return ""
