"""Field types of Docker's messages: strict, blind to ``null``, with errors that read on after the name of a field.

Docker writes an unset text as ``""`` and an unset list or map as ``null`` (Go's zero values). Both are kept as they are
by ``load``, so that ``dump`` gives the same body again; ``present`` drops them when the frozen values are built.
"""

import base64
import binascii
import re
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from plugin.protocol.messages import Address, InterfaceAddress, Subnet

IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}", re.ASCII)
MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", re.ASCII)
# Characters that end a line, move the cursor or change the direction of the text after them: in a log, a rule or a key
# they would look like something else, or be something else. ``spec/common.json`` has the same expression.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
MAC_BYTES = 6
SHOWN_LENGTH = 80


def present(data: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the keys that are unset on the wire, so that the frozen value has its own default for them."""
    return {key: value for key, value in data.items() if value is not None and value != ""}


def describe(value: object) -> str:
    """Return a value of a request for an error text: quoted and short, objects and lists by kind only."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = value if isinstance(value, str) else str(value)
    short = text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…"
    return repr(short) if isinstance(value, str) else short


def read_interface(text: str) -> InterfaceAddress:
    """Read an address with a prefix length; ValueError if it is anything else, a netmask or a zone included."""
    address, slash, length = text.partition("/")
    if not slash or "%" in address or not PREFIX_LENGTH.fullmatch(length):
        raise ValueError(text)
    return ip_interface(text)


def read_subnet(text: str) -> Subnet:
    """Read a subnet; host bits are dropped as Go's ParseCIDR does, because 20.10 passes on what the user typed."""
    read_interface(text)
    return ip_network(text, strict=False)


def read_address(text: str) -> Address:
    """Read an address without a prefix length; ValueError if it is anything else, a zone included."""
    if "%" in text:
        raise ValueError(text)
    return ip_address(text)


def read_mac(text: str) -> str:
    """Read an Ethernet address of six colon-separated bytes, as Go prints it."""
    if not MAC.fullmatch(text):
        raise ValueError(text)
    return text


class Judged(fields.Field[Any]):
    """A field that judges its value itself, so it asks none of marshmallow's validators."""

    def _validate(self, value: Any) -> None:
        pass


class Wire(Judged):
    """Base of the fields below; ``rule`` describes legal values and ends the sentence "it has to be …"."""

    rule: ClassVar[str] = ""

    def __init__(self, *, required: bool = False, data_key: str | None = None, nullable: bool = True) -> None:
        messages: dict[str, Any] = {
            "required": f"is missing; it has to be {self.rule}",
            "null": f"is null; it has to be {self.rule}",
        }
        super().__init__(required=required, data_key=data_key, allow_none=nullable, error_messages=messages)

    def refused(self, value: object) -> ValidationError:
        """Return the error for a value that breaks the rule."""
        return ValidationError(f"is {describe(value)}; it has to be {self.rule}")

    def build(self, value: Any) -> Any:
        """Turn a loaded value into a part of a frozen value."""
        return value

    def fits(self, value: Any) -> bool:  # noqa: ARG002 - subclasses check the value
        """Return whether a value follows the rule."""
        return True

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not self.fits(value):
            raise self.refused(value)
        return value

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return value


def is_plain(value: object) -> bool:
    """Return whether a value is a text without control characters."""
    return isinstance(value, str) and not CONTROL.search(value)


class Text(Wire):
    """Any text of one line."""

    rule: ClassVar[str] = "a text without control characters"

    def fits(self, value: Any) -> bool:
        return is_plain(value)


class FullText(Text):
    """A text that is not empty."""

    rule: ClassVar[str] = "a text that is not empty and has no control characters"

    def fits(self, value: Any) -> bool:
        return is_plain(value) and bool(value)


class Identifier(Wire):
    """An id of a network or an endpoint: 64 hexadecimal digits, or 25 of base 36 where swarm made it."""

    rule: ClassVar[str] = "an id of up to 128 letters and digits"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and bool(IDENTIFIER.fullmatch(value))

    def build(self, value: str) -> str:
        """Return the one copy of an id, which many parts of the program keep, from many requests."""
        return sys.intern(value)


class Parsed(Wire):
    """A text that is parsed into a value; the empty text is kept as it is unless the field is ``required``."""

    read: ClassVar[Callable[[str], Any]]  # turns the text into the value; ValueError if it breaks the rule

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str):
            raise self.refused(value)
        if not value and not self.required:
            return value
        try:
            return type(self).read(value)
        except ValueError:
            raise self.refused(value) from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return None if value is None else str(value)


class AddressWithPrefix(Parsed):
    """An address with the prefix length of its subnet, host bits kept."""

    rule: ClassVar[str] = "an address with a prefix length, like '10.9.0.1/24' or 'fd00::1/64'"

    read: ClassVar[Callable[[str], Any]] = staticmethod(read_interface)


class SubnetText(Parsed):
    """A subnet."""

    rule: ClassVar[str] = "a subnet, like '10.9.0.0/24' or 'fd00::/64'"

    read: ClassVar[Callable[[str], Any]] = staticmethod(read_subnet)


class AddressText(Parsed):
    """An address without a prefix length."""

    rule: ClassVar[str] = "an IP address without a prefix length, like '10.9.0.1' or 'fd00::1'"

    read: ClassVar[Callable[[str], Any]] = staticmethod(read_address)


class HostAddress(AddressText):
    """An address that stays text, because "" (any) differs from 0.0.0.0 and :: (one family)."""

    def _deserialize(self, value: Any, *rest: Any, **named: Any) -> Any:
        super()._deserialize(value, *rest, **named)
        return value


class MacText(Parsed):
    """An Ethernet address."""

    rule: ClassVar[str] = "a MAC address of six bytes, like '02:42:0a:09:00:02'"

    read: ClassVar[Callable[[str], Any]] = staticmethod(read_mac)

    def build(self, value: Any) -> Any:
        """Write it in lower case, as the kernel prints it."""
        return value.lower()


class MacBase64(Wire):
    """An Ethernet address as Go writes a byte slice: base64 of its six bytes."""

    rule: ClassVar[str] = "a MAC address of six bytes in base64, like 'AkIKCQAC'"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            mac = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
        except (binascii.Error, ValueError):
            mac = b""
        if len(mac) != MAC_BYTES:
            raise self.refused(value)
        return mac

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return None if value is None else base64.b64encode(value).decode()


class Flag(Wire):
    """A JSON boolean; texts and numbers are refused."""

    rule: ClassVar[str] = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)


class Whole(Wire):
    """A whole number in a range; texts, booleans and fractions are refused."""

    top: ClassVar[int] = 2**31 - 1
    rule: ClassVar[str] = f"a whole number from 0 to {top}"

    def fits(self, value: Any) -> bool:
        return type(value) is int and 0 <= value <= self.top


class Port(Whole):
    """A transport port; 0 means "any" where the message says so."""

    top: ClassVar[int] = 65535
    rule: ClassVar[str] = "a port number from 0 to 65535"


class Protocol(Whole):
    """An IP protocol number."""

    top: ClassVar[int] = 255
    rule: ClassVar[str] = "an IP protocol number from 0 to 255 (6 is tcp, 17 udp, 132 sctp)"
