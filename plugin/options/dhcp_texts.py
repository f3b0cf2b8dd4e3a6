"""Reads the texts that a DHCP server is told about a client."""

import re

LONGEST_ID = 254  # bytes after the type of a client id; an option has at most 255 (RFC 2132 section 2)
VENDOR_CLASS = "up to 255 characters of ASCII"


def host_name(text: str) -> str:
    """Read the name of a host, as servers write it into DNS (RFC 1123 section 2.1); the empty text means none."""
    labels = text.split(".") if text else []
    if len(text) > 253 or not all(re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label, re.ASCII) for label in labels):
        raise ValueError(text)
    return text


def client_id(text: str) -> bytes | None:
    """Read a client id with its type in the first byte: bytes in hex with colons, or a text, which gets type 0.

    The empty text means none (RFC 2132 section 9.14).
    """
    if not text:
        return None
    if re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+", text, re.ASCII):
        found = bytes.fromhex(text.replace(":", ""))
    else:
        found = b"\0" + _plain(text, LONGEST_ID)
    if len(found) > LONGEST_ID + 1:
        raise ValueError(text)
    return found


def vendor_class(text: str) -> str:
    """Read a vendor class (option 60); the empty text means none."""
    return _plain(text, 255).decode()


def _plain(text: str, longest: int) -> bytes:
    if not (text.isascii() and text.isprintable()) or len(text) > longest:
        raise ValueError(text)
    return text.encode()
