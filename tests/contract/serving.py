"""The real application behind the real server, for tests of what happens before Flask: ``… serving DESCRIPTOR``."""

import sys

from flask import Flask
from gunicorn.app.base import BaseApplication

from cli.serve import server_settings
from cli.worker import PatientWorker
from tests.contract.conftest import Service

DESCRIPTOR = sys.argv.pop()  # gunicorn reads the command line too, and must not see it


class Hasty(PatientWorker):
    """The server's own worker, which waits a second for a request instead of ten."""

    patience = 1.0


HASTE = {"graceful_timeout": 1, "worker_class": Hasty}


class Serving(BaseApplication):  # type: ignore[misc]
    """gunicorn set up as ``pynet serve`` does, with few threads so that a few clients can occupy all of them."""

    def load_config(self) -> None:
        """Set what ``cli/serve.py`` sets."""
        for key, value in (server_settings([int(DESCRIPTOR)], threads=4) | HASTE).items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the application over an imaginary host."""
        return Service().client.application


if __name__ == "__main__":
    Serving().run()
