"""Field types of Docker's messages: strict, blind to ``null``, with errors that read on after the name of a field.

Docker writes an unset text as ``""`` and an unset list or map as ``null`` (Go's zero values). Both are kept as they are
by ``load``, so that ``dump`` gives the same body again; ``present`` drops them when the frozen values are built.
"""

import base64
import binascii
import marshal
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, missing

from plugin.protocol.messages import Address, InterfaceAddress, Subnet

IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}", re.ASCII)
MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", re.ASCII)
# What ends a line, moves a cursor or turns the direction of what follows: in a log, a rule or a key it would look like,
# or be, something else than was sent. ``spec/common.json`` has the same.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
MAC_BYTES = 6
LONG_LISTS, KNOWN_LISTS = range(16, 4096), 4  # ports in a list worth remembering; lists
SHOWN_LENGTH = 80


def present(data: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the keys that are unset on the wire, so that the frozen value's own default holds."""
    return {key: value for key, value in data.items() if value is not None and value != ""}


def describe(value: object) -> str:
    """Show a value of a request in an error text: quoted and short, objects and lists by kind only."""
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


class Wire(fields.Field[Any]):
    """Base of the fields below; ``rule`` is what the value has to be, in words."""

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

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return value


def is_plain(value: object) -> bool:
    """Say whether a value is a text without control characters."""
    return isinstance(value, str) and not CONTROL.search(value)


class Text(Wire):
    """Any text of one line."""

    rule: ClassVar[str] = "a text without control characters"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not is_plain(value):
            raise self.refused(value)
        return value


class FullText(Text):
    """A text that is not empty."""

    rule: ClassVar[str] = "a text that is not empty and has no control characters"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not is_plain(value) or not value:
            raise self.refused(value)
        return value


class Identifier(Wire):
    """An id of a network or an endpoint: 64 hexadecimal digits, or 25 of base 36 where swarm made it."""

    rule: ClassVar[str] = "an id of up to 128 letters and digits"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
            raise self.refused(value)
        return value


class Parsed(Wire):
    """A text that stands for a value; the empty text stays what it is unless ``required``."""

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
    """An address alone."""

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

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, bool):
            raise self.refused(value)
        return value


class Whole(Wire):
    """A whole number in a range; texts, booleans and fractions are refused."""

    top: ClassVar[int] = 2**31 - 1
    rule: ClassVar[str] = f"a whole number from 0 to {top}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if type(value) is not int or not 0 <= value <= self.top:
            raise self.refused(value)
        return value


class Port(Whole):
    """A transport port; 0 means "any" where the message says so."""

    top: ClassVar[int] = 65535
    rule: ClassVar[str] = "a port number from 0 to 65535"


class Protocol(Whole):
    """An IP protocol number."""

    top: ClassVar[int] = 255
    rule: ClassVar[str] = "an IP protocol number from 0 to 255 (6 is tcp, 17 udp, 132 sctp)"


class AnyObject(Wire):
    """An object that pynet does not look into."""

    rule: ClassVar[str] = "an object"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise self.refused(value)
        return value


class TextMap(Wire):
    """An object of texts, as option maps are on the wire (``-o flag`` gives an empty text)."""

    rule: ClassVar[str] = "an object of texts"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise self.refused(value)
        bad = {
            key: [f"is {describe(text)}; it has to be {Text.rule}"] for key, text in value.items() if not is_plain(text)
        }
        bad |= {key: [f"has a name that is not {Text.rule}"] for key in value if not is_plain(key)}
        if bad:
            raise ValidationError(bad)
        return value


class AuxiliaryAddresses(Wire):
    """The ``--aux-address`` map: a name to an address with the prefix length of its subnet."""

    rule: ClassVar[str] = "an object of addresses"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise self.refused(value)
        item = AddressWithPrefix(required=True, nullable=False)
        read, bad = {}, {}
        for name, text in value.items():
            try:
                Text().deserialize(name)
                read[name] = item.deserialize(text)
            except ValidationError as error:
                bad[name] = error.messages
        if bad:
            raise ValidationError(bad)
        return read

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return None if value is None else {name: str(address) for name, address in value.items()}


class Object(fields.Nested):
    """An object with a schema of its own."""

    def __init__(self, schema: type[Schema], *, data_key: str | None = None, nullable: bool = True) -> None:
        super().__init__(schema, data_key=data_key, allow_none=nullable, error_messages={"null": _no_object(None)})

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError(_no_object(value))
        return super()._deserialize(value, attr, data, partial, **kwargs)


class ListOf(fields.List[Any]):
    """A list of objects or texts; elements are never null."""

    def __init__(self, inner: fields.Field[Any], *, data_key: str | None = None) -> None:
        super().__init__(inner, data_key=data_key, allow_none=True)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise ValidationError(f"is {describe(value)}; it has to be a list")
        return super()._deserialize(value, attr, data, **kwargs)


class PortList(Wire):
    """A list of objects of ``keys``, each read by its field.

    A nested schema takes 30 µs an object, and a container with 500 ports sends 1,000 of them in three requests. The
    engine sends the same long list each time, so the last few that were read are known by their bytes.
    """

    rule: ClassVar[str] = "a list"

    def __init__(self, keys: Mapping[str, tuple[str, Wire]], *, data_key: str) -> None:
        super().__init__(data_key=data_key)
        self._keys = dict(keys)
        self._read_again = lru_cache(maxsize=KNOWN_LISTS)(lambda data: self._read_all(marshal.loads(data)))  # noqa: S302

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, list):
            raise self.refused(value)
        if len(value) not in LONG_LISTS:
            return self._read_all(value)
        try:
            # Version 2 tells true from 1 and 1 from 1.0, and knows no references: equal bytes are equal lists.
            data = marshal.dumps(value, 2)
        except ValueError:  # nested too deeply, and no list of ports
            return self._read_all(value)
        return self._read_again(data)

    def _read_all(self, value: list[Any]) -> list[dict[str, Any]]:
        found, bad = [], {}
        for index, item in enumerate(value):
            try:
                found.append(self._read(item))
            except ValidationError as error:
                bad[index] = error.messages
        if bad:
            raise ValidationError(bad)
        return found

    def _read(self, item: Any) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise ValidationError(_no_object(item))
        found, bad = {}, {}
        for key, (name, field) in self._keys.items():
            text = item.get(key, missing)
            try:
                if text is missing or text is None:
                    text = field.deserialize(text)
                    if text is missing:
                        continue
                else:
                    text = field._deserialize(text, key, item)  # noqa: SLF001 - past what only other fields need
                found[name] = text
            except ValidationError as error:
                bad[key] = error.messages
        if bad:
            raise ValidationError(bad)
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return value and [{key: item[name] for key, (name, _) in self._keys.items() if name in item} for item in value]


def _no_object(value: object) -> str:
    return f"is {describe(value)}; it has to be an object"
