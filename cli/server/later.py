"""Puts off loading modules that libraries import, and that a serving pynet uses seldom or never: 5 MB of memory."""

import sys
import threading
from collections.abc import Callable, Collection, Mapping
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
CALLED = {  # of which libraries import single functions
    "marshmallow.validate": ("And", "Length"),  # regular expressions for mail addresses take 40 ms to compile
}
REFUSED = ("rich",)  # structlog colours tracebacks with it, if anybody has installed it: 3 MB
_SWITCH = threading.Lock()


class _Later(ModuleType):
    """Stands for a module until something of it is used; two threads that do so load it once."""

    def __init__(self, name: str, called: Collection[str] = ()) -> None:
        super().__init__(name)
        vars(self).update({function: self._calls(function) for function in called})
        self._is_plain = bool(called)

    def __getattr__(self, attribute: str) -> Any:
        if attribute == "__path__" and self._is_plain:
            raise AttributeError(attribute)  # whoever imports a function asks whether the module is a package
        with _SWITCH:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), attribute)

    def _calls(self, function: str) -> Callable[..., Any]:
        """Return a function that loads the module, and calls its ``function``."""

        def call(*arguments: Any, **named: Any) -> Any:
            return self.__getattr__(function)(*arguments, **named)

        return call


def load_later(
    names: Collection[str] = SELDOM,
    refused: Collection[str] = REFUSED,
    called: Mapping[str, Collection[str]] = CALLED,
) -> None:
    """Let ``import`` of ``names`` load nothing yet, and let that of ``refused`` fail, where nobody has loaded them.

    Modules in ``called`` are loaded with the first call of these functions.
    """
    for name, functions in called.items():
        if name not in sys.modules:
            sys.modules[name] = _Later(name, functions)
    for name in names:
        if name not in sys.modules:
            parent, _, child = name.rpartition(".")
            sys.modules[name] = later = _Later(name)
            if parent:
                setattr(import_module(parent), child, later)
    for name in refused:
        sys.modules.setdefault(name, cast("ModuleType", None))  # as Python's reference says, "The module cache"
