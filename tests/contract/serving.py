"""The real application behind the real server: ``… serving [hanging] ENGINE [ADMIN]``, which are descriptors.

``hanging`` has a look at everything that never ends.
"""

import os
import sys
import threading
from pathlib import Path
from socket import socket

from flask import Flask
from gunicorn.app.base import BaseApplication

from cli.server.serve import server_settings
from cli.server.worker import worker_with
from handlers.admin import by_listener
from netlink.links import Link
from tests.contract.conftest import Service
from tests.fakes import World

DESCRIPTORS, HANGING = [int(word) for word in sys.argv[1:] if word.isdigit()], "hanging" in sys.argv
ADMIN = Path(socket(fileno=os.dup(DESCRIPTORS[1])).getsockname()) if DESCRIPTORS[1:] else Path()
del sys.argv[1:]  # gunicorn reads the command line too, and must not see it


class Hasty(worker_with(ADMIN)):  # type: ignore[misc]
    """The server's own worker, which waits a second for a request instead of ten."""

    patience = 1.0


HASTE = {"graceful_timeout": 1, "worker_class": Hasty}


class Serving(BaseApplication):  # type: ignore[misc]
    """gunicorn set up as ``pynet serve`` does, with few threads so that a few clients can occupy all of them."""

    def load_config(self) -> None:
        """Set what ``cli/server/serve.py`` sets."""
        for key, value in (server_settings(DESCRIPTORS, threads=4) | HASTE).items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the applications over an imaginary host."""
        service = Service()
        if HANGING:
            hang(service.world)
        app = service.client.application
        app.wsgi_app = by_listener(app.wsgi_app, service.admin.application, ADMIN)  # type: ignore[assignment,method-assign]
        return app


def hang(world: World) -> None:
    """Begin a look at everything, and let it hang in the kernel."""
    inside = threading.Event()

    def links(**_: object) -> list[Link]:
        inside.set()
        threading.Event().wait()
        return []

    world.kernel.links = links  # type: ignore[method-assign]
    threading.Thread(target=world.reconciler.reconcile, daemon=True).start()
    inside.wait(20)


if __name__ == "__main__":
    Serving().run()
