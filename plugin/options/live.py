"""Reads changes of running networks and containers: options by short names, of which only some can be changed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from plugin.errors import InvalidRequest
from plugin.options.option import OWN_PREFIX, Option, OptionSet, flag

FLAGS = {"on": "true", "off": "false"}  # for options of Docker's own drivers, which take "true" and "false" only
DECIDED = {
    "network": "is decided when a network is created; remove the network and create it again with -o {key}=VALUE",
    "container": "is decided when a container is connected; connect it again with --driver-opt {key}=VALUE",
}


def changes_of(kind: type[OptionSet], what: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Return ``texts`` by the whole keys of the options of ``kind``; ``what`` is "network" or "container".

    Raises:
        InvalidRequest: an option is unknown, named twice, cannot be changed or has a bad value.
    """
    found: dict[str, str] = {}
    for word, text in texts.items():
        option = live_option(kind, what, word)
        if option.key in found:
            raise InvalidRequest(f"option '{option.key}' is named twice")
        found[option.key] = FLAGS.get(text, text) if option.parse is flag else text
    if flaw := kind.readable(found).flaw:
        raise InvalidRequest(flaw)
    return found


def live_option(kind: type[OptionSet], what: str, word: str) -> Option[Any]:
    """Return the option that a user calls ``word``: its key, its key without ``pynet.``, or its name in ``kind``.

    Raises:
        InvalidRequest: there is none, or it cannot be changed on a running ``what``.
    """
    option = next((one for name, one in kind.by_name().items() if word in _words(name, one)), None)
    if option is None:
        legal = ", ".join(sorted(live_names(kind)))
        raise InvalidRequest(f"option '{word}' is not known here; options that can be changed on a {what}: {legal}")
    if not option.live:
        raise InvalidRequest(f"option '{option.key}' {DECIDED[what].format(key=option.key)}")
    return option


def live_names(kind: type[OptionSet]) -> Collection[str]:
    """Return the short names of the options that can be changed on running networks or containers.

    Those of pynet's own options are their keys without ``pynet.``, as the documents have them.
    """
    return [_words(name, option)[-1] for name, option in kind.by_name().items() if option.live]


def _words(name: str, option: Option[Any]) -> Sequence[str]:
    return name, option.key, option.key.removeprefix(OWN_PREFIX) if option.key.startswith(OWN_PREFIX) else name
