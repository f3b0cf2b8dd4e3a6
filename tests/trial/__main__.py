"""Plays the people who meet pynet, on bare machines; ``make trial`` runs it.

``python -m tests.trial [SUITE]...`` makes a bare machine of each suite of Debian, and plays a newcomer, a user of
Compose, an administrator and an operator at 3 am. It prints a table, writes all that was typed and seen into
``build/trial/SUITE.md``, and ends with 1 when something was not as it should be. ``PARTS`` names other parts: "tests"
has those of a developer, and with ``FULL=1`` that runs all rings of ``make test``, which takes half an hour.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import run
from tests.trial.machine import Machine
from tests.trial.service import IMAGE, try_service
from tests.trial.steps import Row, Steps, Transcript, says

SUITES = ("bookworm", "trixie")
PARTS = "newcomer compose administrator operator"
TRANSCRIPTS = REPOSITORY / "build/trial"
COMPOSE = Path(__file__).with_name("compose.yaml")
BUNDLE = "pynet.bundle"
CLONE = f"git clone -q /{BUNDLE} pynet 2>/dev/null"
PLAYED = ("newcomer", "tests", "compose", "administrator")  # in a clone, in this order
GONE = "sleep 3; test ! -S /run/docker/plugins/pynet.sock"
README = (
    "docker network create --driver pynet web && docker run -d --name one --network web -p 8080:80 busybox sleep 1d && "
    "docker run --rm --network web busybox ping -c 3 one && pynet ps"
)
TOOLS = "export PYNET_RUN_DIR=/run/own PYNET_ENGINES=20.10 PYNET_LAB=/var/tmp PYNET_PLUGIN_CACHE=/var/cache/plugin; "
SOME = "tests/kernel/test_networks.py tests/engine/test_guide.py tests/cluster/test_stores.py"
TOOLS_FOLDERS = "/run/own /var/cache/plugin"
FETCH = f"{TOOLS} cd pynet && tools/plugin.sh fetch && ls /var/cache/plugin/base-*.tar"


class Trial(Steps):
    """The README's commands on a machine that has nothing."""

    def newcomer(self) -> None:
        """Come from nothing to the first ping in two commands; first as a user, who is told that root is needed."""
        self.transcript.heading("Newcomer")
        self.step("apt-get install git make ca-certificates", _install("git make ca-certificates"))
        self.step("git clone, as root and as a user", f"useradd -m newcomer && chmod a+r /{BUNDLE} && {CLONE}")
        self.step("the same, as a user", CLONE, user="newcomer")
        at_once = "cd pynet; make run; status=$?; ls .venv; exit $status"
        self.step("make run, as a user", at_once, user="newcomer", fails=True, right=says("needs root", "'.venv'"))
        self._serve()
        self.step("an image, as there is no registry", IMAGE)
        self.step("the README's network, container and ping", README, right=says(" 0% packet loss"))
        self.step("the commands are on the path", "pynet ps && docker pynet ps", right=says("one"))
        self.step("make clean-host, with a network", "cd pynet && make clean-host", fails=True, right=says("web"))
        self.step("the container and the network go", "docker rm -f one && docker network rm web")
        self.step("make setup again", "cd pynet && make setup && echo nothing said")

    def _serve(self) -> None:
        """Serve with the variables of the tools exported."""
        start = time.monotonic()
        served = self.machine.start(f"{TOOLS} cd pynet && make run")
        asked = "test -S /run/docker/plugins/pynet.sock"
        wait_until(lambda: self.works(asked) or served.poll() is not None, "pynet to serve", 900)
        said = self.machine.log.read_text()
        good = served.poll() is None and "debconf" not in said and "took" in said
        row = Row("make run, with PYNET_RUN_DIR and others exported", good, "serves", time.monotonic() - start)
        self.note(row, f"{TOOLS}make run", said)

    def compose(self) -> None:
        """Take a project of two tiers up and down, with the suite's own Compose, as with the driver bridge."""
        self.transcript.heading("User of Compose")
        shutil.copy(COMPOSE, self.machine.path("/root/compose.yaml"))
        self.step("apt-get install docker-compose", _install("docker-compose"))
        self.step("a project", "cat compose.yaml && docker-compose -p shop up -d 2>&1")
        name = "$(docker ps -qf label=com.docker.compose.service=%s)"
        web, database = name % "web", name % "database"
        self.step("names of services", f"docker exec {web} ping -c 1 database", right=says(" 0% packet loss"))
        self.step("an alias", f"docker exec {database} ping -c 1 api", right=says(" 0% packet loss"))
        self.step("no way out of an internal network", f"docker exec {database} ping -c 1 -W 1 192.0.2.1", fails=True)
        self.step("a published port", "http_proxy= busybox wget -qO- http://127.0.0.1:8080/", right=says("hello"))
        ports = f"docker pynet ps && pynet ports {web} && pynet ports {web} 80"
        self.step("the published ports, also the random one", ports, right=says("80/tcp -> 0.0.0.0:8080"))
        self.step("the project goes", "docker-compose -p shop down 2>&1 && ! docker network ls | grep pynet")
        self.step("docker-compose goes, which would keep the engine", "apt-get purge -y -qq docker-compose >/dev/null")

    def administrator(self) -> None:
        """Serve by the managed plugin in the place of the process, and take everything away in the end."""
        self.transcript.heading("Administrator: the managed plugin")
        self.step(
            "make plugin beside make run", "cd pynet && make plugin", fails=True, right=says("serves on this host")
        )
        self.step("make run ends", f"pkill -TERM -o -f bin/pynet.serve; {GONE}")
        self.step("make plugin", "cd pynet && make plugin", right=says("5/5", "took"))
        self.step("make plugin again", "cd pynet && time make plugin", right=says("nothing to do"))
        self.step("no image of it is left", "docker images | grep -E 'pynet|none'", fails=True)
        self.step("the README's lines, by the plugin", README, right=says(" 0% packet loss"))
        self.step("make plugin-remove, with a network", "cd pynet && make plugin-remove", fails=True, right=says("web"))
        self.step("its container and network go", "docker rm -f one && docker network rm web")
        self.step("make plugin-remove", "cd pynet && make plugin-remove && ! docker plugin ls | grep pynet")
        self.everything_goes()

    def everything_goes(self) -> None:
        """Take away what make put on the machine, the engine and its packages among them."""
        self.transcript.heading("Administrator: everything goes")
        self.step(
            "make clean-host, refused", "cd pynet && echo n | make clean-host", fails=True, right=says("docker.io")
        )
        self.step("make clean-host", "cd pynet && echo y | make clean-host", right=says("done after"))
        left = f"command -v dockerd pynet; ls pynet/.venv /var/lib/pynet {TOOLS_FOLDERS}; ip -o link | grep pn-"
        self.step("nothing of it is left", f"! ({left}) 2>/dev/null | grep .")

    def package(self) -> Path:
        """Make the Debian package, for a machine with systemd; return where it lies."""
        self.step("make deb", "cd pynet && make deb && cp dist/pynet_*.deb /pynet.deb")
        return self.machine.path("/pynet.deb")

    def tests(self) -> None:
        """Test as a developer does: a ring alone, some of every ring as root, and as a user."""
        self.transcript.heading("Developer")
        alone = "cd pynet && make test ARGS=tests/contract"
        self.step("make test ARGS=tests/contract", alone, right=lambda text: " passed" in text and "failed" not in text)
        self._bases()
        some = f"cd pynet && make test ARGS='{SOME}'"
        self.step("make test, some of every ring", some, right=lambda text: "NOT TESTED" not in text)
        if os.environ.get("FULL"):
            self.step("make test, all rings", "cd pynet && make test")
        self.step(
            "make test, as a user", "cd pynet && make test", user="newcomer", right=says("ring: ", " deselected in ")
        )

    def _bases(self) -> None:
        """Make the base of the managed plugin with a full and with an empty cache of apt."""
        self.step("packages in the cache of apt", "ls /var/cache/apt/archives/*.deb | wc -l")
        full = self.step("the base of the plugin, cache full", FETCH)
        empty = self.step("the same, cache empty", f"apt-get clean && rm -r /var/cache/plugin && {FETCH}")
        good = full.splitlines()[-1:] == empty.splitlines()[-1:]
        self.note(Row("its name is the same", good, full.strip().splitlines()[-1], 0))


def _install(packages: str) -> str:
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get install -y"
    return f"apt-get update -qq && {quiet} {packages} >/dev/null && make --version | head -n 1"


def play(suite: str, parts: Sequence[str], bundle: Path) -> int:
    """Play the parts on machines of a suite; return how many steps were wrong."""
    transcript = Transcript(TRANSCRIPTS / f"{suite}.md", f"What people saw on Debian {suite}")
    in_clone = [part for part in PLAYED if part in parts]
    with Machine(suite) as machine:
        machine.copy(bundle, BUNDLE)
        trial = Trial(machine, transcript)
        if in_clone[:1] != ["newcomer"]:  # what follows needs a clone, and an engine that serves
            in_clone.insert(0, "newcomer")
        package = None
        for part in in_clone:
            if part == "administrator":
                package = Path(shutil.copy(trial.package(), bundle.parent))
            getattr(trial, part)()
        if "operator" in parts and package is None:
            package = Path(shutil.copy(trial.package(), bundle.parent))
        wrong = trial.wrong
    if package:
        with Machine(suite, systemd=True) as machine:
            machine.copy(package, package.name)
            wrong += try_service(machine, transcript, parts)
    return wrong


def main() -> int:
    """Try each suite; return 1 if anything was wrong."""
    wrong, parts = 0, os.environ.get("PARTS", PARTS).split()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / BUNDLE
        run("git", "-C", REPOSITORY, "bundle", "create", bundle, "HEAD")
        for suite in sys.argv[1:] or SUITES:
            wrong += play(suite, parts, bundle)
    print(f"{wrong} wrong, {time.monotonic() - start:.0f} s; transcripts are in {TRANSCRIPTS}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
