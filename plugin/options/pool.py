"""The options of ``docker network create --ipam-opt`` that pynet reads."""

import re

from plugin.options.network import KEEP, STICKY
from plugin.options.option import Values

POOL_OPTIONS = (STICKY, KEEP)
UNITS = {"m": 60, "h": 3600, "d": 86400}


def keep_seconds(options: Values) -> int:
    """Return for how many seconds an address is kept for its name after it was given back; 0 for not at all."""
    if options[STICKY] != "name":
        return 0
    text = options[KEEP]
    return int(re.sub(r"\D", "", text)) * UNITS[text[-1]]
