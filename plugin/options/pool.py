"""The options of ``docker network create --ipam-opt`` that pynet reads."""

import re

from plugin.options.network import NetworkSettings
from plugin.options.option import Option, OptionSet, network_name

UNITS = {"m": 60, "h": 3600, "d": 86400}


class PoolSettings(OptionSet):
    """Settings of a pool of this host."""

    sticky = NetworkSettings.sticky
    keep = NetworkSettings.keep


class SharedPoolSettings(OptionSet):
    """Settings of a pool that hosts share."""

    network = Option(
        "pynet.network",
        network_name,
        "",
        "1 to 63 letters, digits, dots, dashes or underlines",
        "name of an `overlay` network on all hosts: networks with the same name are one network",
    )


def keep_seconds(settings: NetworkSettings | PoolSettings) -> int:
    """Return for how many seconds an address that was given back is kept for its name; 0 means not at all."""
    if settings.sticky != "name":
        return 0
    return int(re.sub(r"\D", "", settings.keep)) * UNITS[settings.keep[-1]]
