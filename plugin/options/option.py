"""Options: one declaration each, from which the parser, the error text and the documentation table are made.

A class declares the options of a network, an endpoint or a pool, and an object of it has the values that a user set:
``NetworkSettings.mtu`` is the option, ``network.settings.mtu`` a number of bytes. A subclass adds options.

Keys of the built-in drivers mean what they mean there (moby drivers/bridge/labels.go, netlabel/labels.go); pynet's
own keys begin with ``pynet.``. Other keys are ignored, as the built-in drivers do.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Generic, Never, Self, TypeVar, overload

from netlink.ip import Address
from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.options.policy import BadPolicy
from plugin.options.unicast import is_unicast

T = TypeVar("T")
OWN_PREFIX = "pynet."
LONGEST_NAME = 15  # bytes, IFNAMSIZ - 1 (linux/if.h)


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """A key that users may set; ``parse`` raises ValueError, ``legal`` completes "must be …".

    One that is ``live`` can be changed on a running network or container (``pynet network set``).
    """

    key: str
    parse: Callable[[str], T]
    default: T
    legal: str
    help: str
    live: bool = False

    @overload
    def __get__(self, settings: None, owner: type) -> "Option[T]": ...
    @overload
    def __get__(self, settings: "OptionSet", owner: type) -> T: ...
    def __get__(self, settings: "OptionSet | None", owner: type) -> "Option[T] | T":
        """Return the option itself; an ``OptionSet`` has its value under the same name, which Python finds first."""
        return self


class OptionSet:
    """Base of the classes that declare options; an object has the value of each.

    ``flaw`` is a sentence about the first text that could not be read, or ""; ``unknown`` are the keys of pynet's own
    that the class does not declare.
    """

    flaw: str
    unknown: Sequence[str]

    @classmethod
    def options(cls) -> tuple[Option[Any], ...]:
        """Return the options of the class in the order of their declaration, those of its base class first."""
        return tuple(cls.by_name().values())

    @classmethod
    def by_name(cls) -> dict[str, Option[Any]]:
        """Return the options in the same order, by their names in the class."""
        found = (declared for owner in reversed(cls.__mro__) for declared in vars(owner).items())
        return {name: option for name, option in found if isinstance(option, Option)}

    @classmethod
    def read(cls, raw: Mapping[str, str]) -> Self:
        """Read what a user set.

        Raises:
            InvalidRequest: a bad value of a declared key, or an unknown key of pynet's own.
        """
        settings = cls.readable(raw)
        if settings.flaw:
            raise InvalidRequest(settings.flaw)
        for key in settings.unknown:
            legal = ", ".join(sorted(own.key for own in cls.options() if own.key.startswith(OWN_PREFIX)))
            raise InvalidRequest(f"option '{key}' is not known; pynet's own options are: {legal or 'none here'}")
        return settings

    @classmethod
    def readable(cls, raw: Mapping[str, str]) -> Self:
        """Read what a user set; an option whose value cannot be read has its default."""
        settings: Self = parse_options(cls, tuple(raw.items()))  # type: ignore[arg-type]  # not hashable, says mypy
        return settings

    def __setattr__(self, name: str, value: object) -> Never:
        """Refuse to change what a user set."""
        raise AttributeError(f"the value of option '{name}' cannot be changed")


@lru_cache(maxsize=1024)
def parse_options(kind: type[OptionSet], raw: Sequence[tuple[str, str]]) -> Any:
    """Return settings of ``kind``; equal texts have one, so that asking a record again costs nothing.

    An option whose value cannot be read gets its default, and the settings have a ``flaw``.
    """
    known = {option.key: (name, option) for name, option in kind.by_name().items()}
    values, flaws, unknown = {name: option.default for name, option in known.values()}, [], []
    for key, text in raw:
        if key in known:
            name, option = known[key]
            try:
                values[name] = option.parse(text)
            except ValueError as error:
                why = f": {error}" if isinstance(error, BadPolicy) else ""
                flaws.append(f"option '{key}' must be {option.legal}, not '{text}'{why}")
        elif key.startswith(OWN_PREFIX):
            unknown.append(key)
    settings = kind()
    vars(settings).update(values, flaw=next(iter(flaws), ""), unknown=tuple(unknown))
    return settings


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.removeprefix("-").isdigit() else None
        if value is None or not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def or_zero(parse: Callable[[str], int]) -> Callable[[str], int]:
    """Return a parser of 0, which stands for a default, and of what ``parse`` reads."""
    return lambda text: 0 if text == "0" else parse(text)


def choice(*legal: str) -> Callable[[str], str]:
    """Return a parser that accepts these words."""

    def parse(text: str) -> str:
        if text not in legal:
            raise ValueError(text)
        return text

    return parse


def duration(text: str) -> str:
    """Check a time such as 30m, 24h or 7d: a number from 1 to 9999 and a unit."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}[mhd]", text, re.ASCII):
        raise ValueError(text)
    return text


def flag(text: str) -> bool:
    """Read a flag as Go's strconv.ParseBool does, so that the values of the built-in drivers keep their meaning."""
    if text in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if text in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise ValueError(text)


def toggle(text: str) -> bool:
    """Read "on" or "off", or a flag as ``flag`` does."""
    return {"on": True, "off": False}[text] if text in {"on", "off"} else flag(text)


def plain_address(text: str) -> Address:
    """Read an IP address without a zone; ``ip_address`` would accept any characters after a percent sign."""
    if "%" in text:
        raise ValueError(text)
    return ip_address(text)


def source_of(version: int) -> Callable[[str], Address | None]:
    """Return a parser of IP addresses of ``version`` (4 or 6) that a host may send from; the empty text means none."""

    def parse(text: str) -> Address | None:
        address = plain_address(text) if text else None
        if address is not None and (address.version != version or address.is_loopback or not is_unicast(address)):
            raise ValueError(text)
        return address

    return parse


def host_place(text: str) -> Address | None:
    """Read an IP address on which ports may be published: a host's, 0.0.0.0 or ::; the empty text means none."""
    address = plain_address(text) if text else None
    if address is not None and not (address.is_unspecified or is_unicast(address)):
        raise ValueError(text)
    return address


def link_name(text: str) -> str:
    """Read the name of a link; the empty text means none.

    The kernel decides which names a link can have (dev_valid_name, net/core/dev.c). Names with another meaning are
    refused too: nft reads a star as any ending, the kernel puts a number in the place of a percent sign
    (dev_alloc_name), and "all" and "default" are no links below /proc/sys/net.
    """
    if text and not is_link_name(text):
        raise ValueError(text)
    return text


def is_link_name(text: str) -> bool:
    """Return whether a link of the host may have that name, see ``link_name``."""
    if not _is_word(text) or any(c in '/:"*\\%' for c in text) or text in {".", "..", "all", "default"}:
        return False
    return 1 <= len(text.encode()) <= LONGEST_NAME


def _is_word(text: str) -> bool:
    """Return whether a name can be printed as one word; half of a surrogate pair cannot."""
    return text.isprintable() and not any(c.isspace() for c in text)


def network_name(text: str) -> str:
    """Read the name by which hosts know a network; it is part of keys in the cluster store."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", text):
        raise ValueError(text)
    return text


def link_names(text: str) -> tuple[str, ...]:
    """Read names of links with colons between them."""
    return tuple(link_name(name) for name in text.split(":") if name)


def link_prefix(text: str) -> str:
    """Read the beginning of an interface name, to which the engine appends a number (15 bytes in all, IFNAMSIZ)."""
    if not 1 <= len(text.encode()) <= 12 or not _is_word(text) or any(c in "/:%" for c in text):
        raise ValueError(text)
    return text


def option_table(declared: Sequence[Option[Any]], *, live: bool = False) -> str:
    """Return the Markdown table that documents ``declared``; with ``live``, which of them can be changed."""
    kinds = {True: "| live ", False: "| - "} if live else {True: "", False: ""}
    rows = [f"| `{o.key}` | {o.legal} | {_default(o.default)} {kinds[o.live]}| {o.help} |" for o in declared]
    columns = ("option", "value", "default", *["change"] * live, "meaning")
    return "\n".join([f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows])


def default_text(value: object) -> str:
    """Return a default as a user would write it, "" for none."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value is not None and str(value) != "()" else ""


def plain(text: str) -> str:
    """Return a text of the documentation for a terminal, without marks of Markdown."""
    return text.replace("`", "")


def _default(value: object) -> str:
    text = default_text(value)
    return text if isinstance(value, bool) else f"`{text}`" if text else "-"
