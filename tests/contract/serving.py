"""The real application behind the real server, for tests of what happens before Flask: ``… serving DESCRIPTOR``."""

import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from tests.contract.conftest import Service

DESCRIPTOR = sys.argv.pop()  # gunicorn reads the command line too, and must not see it


class Serving(BaseApplication):  # type: ignore[misc]
    """gunicorn set up as ``pynet serve`` does, with few threads so that a few clients can occupy all of them."""

    def load_config(self) -> None:
        """Set what ``cli/serve.py`` sets."""
        settings: dict[str, Any] = {"bind": f"fd://{DESCRIPTOR}", "workers": 1, "worker_class": "gthread"}
        settings |= {"threads": 4, "keepalive": 0, "graceful_timeout": 1, "control_socket_disable": True}
        for key, value in settings.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the application over an imaginary host."""
        return Service().client.application


if __name__ == "__main__":
    Serving().run()
