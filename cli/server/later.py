"""Puts off loading modules that libraries import, and that a serving pynet uses seldom or never: 5 MB of memory."""

import sys
import threading
from collections.abc import Collection
from importlib import import_module
from types import ModuleType
from typing import Any, cast

SELDOM = (
    "argparse",  # gunicorn: the options of its command
    "asyncio",  # structlog: loggers with coroutines; the relay uses it as soon as it has a port
    "difflib",  # werkzeug: similar names of routes
    "email.utils",  # gunicorn: dates in answers, of the worker alone
    "getpass",  # werkzeug: the PIN of its debugger
    "html",  # gunicorn: errors as HTML
    "importlib.metadata",  # gunicorn, flask: versions of packages
    "logging.handlers",  # logging.config: listens for configurations
)
REFUSED = ("rich",)  # structlog colours tracebacks with it, if anybody has installed it: 3 MB
_SWITCH = threading.Lock()


class _Later(ModuleType):
    """Stands for a module until something of it is used; two threads that do so load it once."""

    def __getattr__(self, attribute: str) -> Any:
        with _SWITCH:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), attribute)


def load_later(names: Collection[str] = SELDOM, refused: Collection[str] = REFUSED) -> None:
    """Let ``import`` of ``names`` load nothing yet, and let that of ``refused`` fail, where nobody has loaded them."""
    for name in names:
        if name not in sys.modules:
            parent, _, child = name.rpartition(".")
            sys.modules[name] = later = _Later(name)
            if parent:
                setattr(import_module(parent), child, later)
    for name in refused:
        sys.modules.setdefault(name, cast("ModuleType", None))  # as Python's reference says, "The module cache"
