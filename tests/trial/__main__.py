"""Follows the README on a bare machine; ``make trial`` runs it.

``python -m tests.trial [SUITE]...`` makes a bare machine of each suite of Debian, does what the README says, as root
and as a user, and prints a table of what it saw. It ends with 1 when something was not as the README says. With
``FULL=1`` it runs all rings of ``make test`` on each, which takes half an hour.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import run
from tests.trial.machine import Machine
from tests.trial.service import IMAGE, try_service
from tests.trial.steps import Steps, says

SUITES = ("bookworm", "trixie")
PARTS = "start test serve plugin managed rings user"
BUNDLE = "pynet.bundle"
CLONE = f"git clone -q /{BUNDLE} pynet 2>/dev/null"
SERVERS = "command -v dockerd etcd java || ls /var/cache/pynet-engines /var/cache/pynet-plugin 2>/dev/null"
README = (
    "docker network create --driver pynet web && docker run -d --name one --network web busybox sleep 1d && "
    "docker run --rm --network web busybox ping -c 3 one"
)
TOOLS = "export PYNET_RUN_DIR=/run/own PYNET_ENGINES=20.10 PYNET_LAB=/var/tmp PYNET_PLUGIN_CACHE=/var/cache/plugin; "
SOME = "tests/kernel/test_networks.py tests/engine/test_guide.py tests/cluster/test_stores.py"
FETCH = f"{TOOLS} cd pynet && tools/plugin.sh fetch && ls /var/cache/plugin/base-*.tar"


class Trial(Steps):
    """The README's commands on a machine that has nothing."""

    def start(self) -> None:
        """Take the steps before the two commands, and those of a user who is not root."""
        self.step("apt-get install git make ca-certificates", _install("git make ca-certificates"))
        self.step("git clone, as root and as a user", f"useradd -m newcomer && chmod a+r /{BUNDLE} && {CLONE}")
        self.step("the same, as a user", CLONE, user="newcomer")
        at_once = "cd pynet; make run; status=$?; ls .venv; exit $status"
        self.step("make run, as a user", at_once, user="newcomer", fails=True, right=says("needs root", "'.venv'"))

    def test(self) -> None:
        """Test as root: one ring alone, which needs neither an engine nor servers."""
        alone = "cd pynet && make test ARGS=tests/contract"
        self.step("make test ARGS=tests/contract", alone, right=lambda text: " passed" in text and "failed" not in text)
        self.step("no engine, no server, no base is there now", SERVERS, fails=True)

    def serve(self) -> None:
        """Serve with the variables of the tools exported, and type the README's lines."""
        start = time.monotonic()
        served = self.machine.start(f"{TOOLS} cd pynet && make run")
        asked = "test -S /run/docker/plugins/pynet.sock"
        wait_until(lambda: self.works(asked) or served.poll() is not None, "pynet to serve", 900)
        said = self.machine.log.read_text()
        good = served.poll() is None and "debconf" not in said
        self.row("make run, with PYNET_RUN_DIR and others exported", good, "serves", time.monotonic() - start)
        self.wrong += not good
        print(said.rstrip(), flush=True)
        self.step("an image, as there is no registry", IMAGE)
        self.step("the README's network, container and ping", README, right=says(" 0% packet loss"))
        self.step("the container and the network go", "docker rm -f one && docker network rm web")
        self.step("make setup again", "cd pynet && make setup && echo nothing said")

    def package(self) -> Path:
        """Make the Debian package, for a machine with systemd; return where it lies."""
        self.step("make deb", "cd pynet && make deb && cp dist/pynet_*.deb /pynet.deb")
        return self.machine.path("/pynet.deb")

    def managed(self) -> None:
        """Serve by the managed plugin in the place of the process, and go back."""
        gone = "sleep 3; test ! -S /run/docker/plugins/pynet.sock"
        self.step("pynet serve ends", f"pkill -TERM -o -f bin/pynet.serve; {gone}")
        self.step("make plugin", "cd pynet && make plugin")
        self.step("the README's lines, by the plugin", README, right=says(" 0% packet loss"))
        self.step("make plugin-remove, with a network", "cd pynet && make plugin-remove", fails=True, right=says("web"))
        self.step("its container and network go", "docker rm -f one && docker network rm web")
        self.step("make plugin-remove", "cd pynet && make plugin-remove && ! docker plugin ls | grep pynet")

    def plugin(self) -> None:
        """Make the base of the managed plugin with a full and with an empty cache of apt."""
        self.step("packages in the cache of apt", "ls /var/cache/apt/archives/*.deb | wc -l")
        full = self.step("the base of the plugin, cache full", FETCH)
        empty = self.step("the same, cache empty", f"apt-get clean && rm -r /var/cache/plugin && {FETCH}")
        good = full.splitlines()[-1:] == empty.splitlines()[-1:]
        self.row("its name is the same", good, full.strip().splitlines()[-1], 0)
        self.wrong += not good

    def rings(self) -> None:
        """Test something of every ring as root, with all engines and servers; everything if that is wanted."""
        some = f"cd pynet && make test ARGS='{SOME}'"
        self.step("make test, some of every ring", some, right=lambda text: "NOT TESTED" not in text)
        if os.environ.get("FULL"):
            self.step("make test, all rings", "cd pynet && make test")

    def user(self) -> None:
        """Test as a user."""
        script = "cd pynet && make test"
        self.step(
            "make test, as a user",
            script,
            user="newcomer",
            right=lambda text: "ring: " in text and " deselected in " in text,
        )


def _install(packages: str) -> str:
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get install -y"
    return f"apt-get update -qq && {quiet} {packages} >/dev/null && make --version | head -n 1"


def main() -> int:
    """Try each suite; return 1 if anything was wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / BUNDLE
        run("git", "-C", REPOSITORY, "bundle", "create", bundle, "HEAD")
        for suite in sys.argv[1:] or SUITES:
            with Machine(suite) as machine:
                machine.copy(bundle, BUNDLE)
                trial = Trial(machine)
                for part in os.environ.get("PARTS", PARTS).split():
                    getattr(trial, part)()
                package = Path(shutil.copy(trial.package(), folder))
                wrong += trial.wrong
            with Machine(suite, systemd=True) as machine:
                machine.copy(package, package.name)
                wrong += try_service(machine)
    print(f"{wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
