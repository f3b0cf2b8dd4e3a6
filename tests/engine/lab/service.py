"""pynet as a service inside a throw-away host, run from the working tree."""

import json
import os
import shlex
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from tests.engine.lab.api import Api
from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.managed import Managed
from tests.engine.lab.process import Process, wait_until

PLUGINS = "/run/docker/plugins"
PYNET = (str(REPOSITORY / ".venv/bin/pynet"), "serve")


class Plugin:
    """A v1 plugin inside ``host``: a program that serves ``/run/docker/plugins/NAME.sock``.

    Its state folder lies on a real disk and outlives the process, as on a real machine.
    """

    def __init__(self, host: Host, name: str, argv: tuple[str, ...], env: Mapping[str, str] | None = None) -> None:
        self._host = host
        self._argv = argv
        self._env = dict(env or {})
        self._process: Process | None = None
        self.name = name
        self.state = self._env.get("PYNET_STATE_DIR", "/var/lib/pynet")
        self.log = host.log(name)

    def start(self) -> None:
        """Start it and wait until it serves: its socket is there before the program is ready."""
        assert self._process is None, f"{self.name} runs already"
        self._process = process = self._host.spawn(self.name, *self._argv, env=self._env)
        try:
            wait_until(lambda: self._serves() or not process.alive, f"{self.name} to serve its socket")
            assert process.alive, f"{self.name} ended at once"
        except AssertionError as error:
            error.add_note(self.log.read_text()[-3000:])
            raise

    def _serves(self) -> bool:
        api = Api(self._host.path(f"{PLUGINS}/{self.name}.sock"))
        try:
            api.call("POST", "/Plugin.Activate")
        except (OSError, HTTPException):
            return False
        finally:
            api.close()
        return True

    @property
    def pids(self) -> list[int]:
        """The machine's view of its process ids."""
        return self._process.pids if self._process else []

    def stop(self) -> None:
        """Ask it to end (SIGTERM) and wait."""
        if self._process:
            self._process.stop()
        self._process = None

    def kill(self) -> None:
        """Kill all its processes at once (SIGKILL): nothing can be tidied up."""
        assert self._process is not None
        self._process.kill(all_of_it=True)
        self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()


Pynet = Plugin | Managed


def pynet(host: Host, **env: str) -> Pynet:
    """Return pynet with its default socket and state folder; ``PYNET_COMMAND`` names another program to test.

    With ``PYNET_FORM=managed`` it is the managed plugin instead.
    """
    if os.environ.get("PYNET_FORM") == "managed":
        return Managed(host, env)
    command = tuple(shlex.split(os.environ.get("PYNET_COMMAND", ""))) or PYNET
    return Plugin(host, "pynet", command, env)


def second(host: Host, name: str, argv: tuple[str, ...] = PYNET, **env: str) -> Plugin:
    """Return a pynet beside the first one, with a socket and a state folder of its own; ``argv`` starts it."""
    places = {"PYNET_SOCKET": f"{PLUGINS}/{name}.sock", "PYNET_STATE_DIR": f"/run/{name}"}
    return Plugin(host, name, argv, places | env)


def published_by_pynet(host: Host) -> list[dict[str, Any]]:
    """What ``pynet ports`` says."""
    rows: list[dict[str, Any]] = json.loads(command(host, "ports", "--json"))
    return rows


def command(host: Host, *arguments: str) -> str:
    """Run the ``pynet`` command, which asks whichever form is installed, and return what it printed."""
    return host.exec(PYNET[0], *arguments)


def as_member(host: Host, *argv: str) -> str:
    """Run a command as a user who is not root and has no group but docker; return what it printed."""
    host.exec("chmod", "o+x", "/root")  # of the throw-away host: the interpreter of the tests may be there
    group = host.exec("getent", "group", "docker").split(":")[2]
    user = ("setpriv", "--reuid=65534", "--regid=65534", f"--groups={group}", "--inh-caps=-all")
    return host.exec(*user, *argv)
