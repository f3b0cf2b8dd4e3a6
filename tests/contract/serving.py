"""The real application behind the real server: ``… serving DESCRIPTOR``, or ``… serving hanging DESCRIPTOR``.

``hanging`` has a look at everything that never ends.
"""

import sys
import threading

from flask import Flask
from gunicorn.app.base import BaseApplication

from cli.server.serve import server_settings
from cli.server.worker import PatientWorker
from netlink.links import Link
from tests.contract.conftest import Service
from tests.fakes import World

DESCRIPTOR, HANGING = sys.argv.pop(), "hanging" in sys.argv  # gunicorn reads the command line too, and must not see it
del sys.argv[1:]


class Hasty(PatientWorker):
    """The server's own worker, which waits a second for a request instead of ten."""

    patience = 1.0


HASTE = {"graceful_timeout": 1, "worker_class": Hasty}


class Serving(BaseApplication):  # type: ignore[misc]
    """gunicorn set up as ``pynet serve`` does, with few threads so that a few clients can occupy all of them."""

    def load_config(self) -> None:
        """Set what ``cli/server/serve.py`` sets."""
        for key, value in (server_settings([int(DESCRIPTOR)], threads=4) | HASTE).items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the application over an imaginary host."""
        service = Service()
        if HANGING:
            hang(service.world)
        return service.client.application


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
