"""pynet as a managed plugin inside a throw-away host: what ``make plugin`` builds, and the engine runs."""

import os
import signal
from collections.abc import Mapping
from functools import cache
from http.client import HTTPException
from pathlib import Path

from tests.engine.lab.api import Api
from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import run
from tools.plugin.contents import COMMAND

NAME = "pynet:managed"
SOCKET = "/run/docker/plugins/pynet.sock"
BUILT = REPOSITORY / "build/plugin/content"


@cache
def fetch() -> None:
    """Bring here what needs a network, which the hosts have not; the second time there is nothing to do."""
    run(REPOSITORY / "tools/plugin.sh", "fetch", timeout=300)


def make_plugin(host: Host, *arguments: str) -> str:
    """Type ``make plugin`` on the host, where no base image can be pulled; return what it printed."""
    fetch()
    words = " ".join(("BASE=packages", str(REPOSITORY / "tools/plugin.sh"), *arguments))
    return host.exec("sh", "-c", words, timeout=300)


class Managed:
    """The managed plugin ``pynet:managed``, whose networks are of the driver ``pynet``.

    The engine starts it again when it crashes, so ``kill`` disables it afterwards: it is then dead until ``start``.
    """

    name = "pynet"

    def __init__(self, host: Host, env: Mapping[str, str], plugin: str = NAME) -> None:
        self._host = host
        self._plugin = plugin
        self._env = dict(env)
        self.log = host.log("dockerd")

    @property
    def id(self) -> str:
        """The engine's id of the plugin; "" when there is none."""
        lines = self._host.docker("plugin", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}").splitlines()
        return next((line.split()[0] for line in lines if line.split()[1] == self._plugin), "")

    @property
    def state(self) -> str:
        """The host's path of the state folder."""
        return f"/var/lib/docker/plugins/{self.id}/propagated-mount"

    @property
    def enabled(self) -> bool:
        """Whether the engine runs it."""
        return self._host.docker("plugin", "inspect", "--format", "{{.Enabled}}", self._plugin) == "true"

    @property
    def pids(self) -> list[int]:
        """The machine's view of its process ids."""
        ident = self.id
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and ident and _is_ours(folder, ident)
        ]

    def create(self) -> None:
        """Build it where that has not been done, and give it to the engine, disabled."""
        make_plugin(self._host, "build")
        self._host.docker("plugin", "create", self._plugin, str(BUILT))

    def start(self) -> None:
        """Create and enable it where that is needed, and wait until it serves."""
        if not self.id:
            self.create()
        if not self.enabled:
            if self._env:
                self._host.docker(
                    "plugin", "set", self._plugin, *(f"{key}={value}" for key, value in self._env.items())
                )
            self._host.docker("plugin", "enable", self._plugin)
        wait_until(self.serves, "the managed plugin to serve")

    def serves(self) -> bool:
        """Whether it answers under the name that has no tag."""
        api = Api(self._host.path(SOCKET))
        try:
            api.call("POST", "/Plugin.Activate")
        except (OSError, HTTPException):
            return False
        finally:
            api.close()
        return True

    def stop(self) -> None:
        """Disable it, whatever uses it."""
        if self.enabled:
            self._host.docker("plugin", "disable", "--force", self._plugin)

    def kill(self) -> None:
        """Let it crash, and leave it dead."""
        self.crash()
        self.stop()

    def crash(self) -> None:
        """Kill all its processes at once (SIGKILL), so that nothing can be tidied up, and wait until it is back."""
        killed = self.pids
        assert killed
        for pid in killed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not set(killed) & set(self.pids), "the killed processes to be gone")
        # Not earlier: 20.10.24 that is killed while it starts a plugin does not come up at its next start, but panics.
        wait_until(self.serves, "the engine to start the plugin again")

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()


def _is_ours(folder: Path, ident: str) -> bool:
    try:
        return COMMAND in (folder / "cmdline").read_text() and ident in (folder / "mountinfo").read_text()
    except OSError:
        return False
