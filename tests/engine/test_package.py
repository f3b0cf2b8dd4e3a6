"""The Debian package on a host: it installs, serves, is upgraded and goes, and running containers do not notice."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.lab import image
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin
from tests.engine.lab.shell import run
from tests.engine.test_life import Pings

UNITS = [
    f"/usr/lib/systemd/system/pynet{unit}" for unit in (".service", ".socket", "-metrics.service", "-metrics.timer")
]
WANTED = "/etc/systemd/system/multi-user.target.wants/pynet.service"
PLUGIN = "/usr/libexec/docker/cli-plugins/docker-pynet"
HOOK = "/usr/share/python3/runtime.d/pynet.rtupdate"
NETWORKS = "/usr/lib/systemd/network/10-pynet.network", "/usr/lib/NetworkManager/conf.d/10-pynet.conf"
OURS = "/usr/bin/pynet", PLUGIN, HOOK, "/usr/lib/pynet", "/etc/default/pynet", *UNITS, *NETWORKS
BUILD = (REPOSITORY / ".venv/bin/python", "-m", "tools.package.deb")


@pytest.fixture(scope="module")
def package() -> Path:
    """The package, built from the working tree."""
    return REPOSITORY / run(*BUILD, timeout=280, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def machine(package: Path) -> Iterator[Host]:
    """A host of its own with the package installed: the others run pynet from the working tree."""
    with Host(obtain(wanted()[0]), "package") as machine:
        machine.start_engine()
        image.load(machine.docker)
        machine.exec("dpkg", "-i", str(package))
        yield machine


def there(machine: Host) -> list[str]:
    """What of the package is on the host."""
    return [path for path in OURS if machine.path(path).exists() or machine.path(path).is_symlink()]


def test_the_wheel_holds_the_program_and_nothing_else(package: Path) -> None:
    """Four packages and what an installer needs to know; no tests, no tools."""
    with zipfile.ZipFile(max(package.parent.glob("*.whl"))) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"cli", "handlers", "plugin", "netlink"}


def test_two_builds_are_alike(package: Path, tmp_path: Path) -> None:
    """The same commit gives the same bytes."""
    first = Path(shutil.copy(package, tmp_path)).read_bytes()
    again = Path(run(*BUILD, timeout=280, cwd=REPOSITORY))
    assert (REPOSITORY / again).read_bytes() == first


def test_it_is_installed_and_enabled(machine: Host) -> None:
    """The command works without anything but the distribution's Python, and both units start at boot."""
    assert there(machine) == list(OURS)
    settings = machine.exec("/usr/bin/pynet", "settings").splitlines()
    assert ["PYNET_SOCKET", "/run/docker/plugins/pynet.sock"] in [line.split()[:2] for line in settings]
    assert '"SchemaVersion"' in machine.exec(PLUGIN, "docker-cli-plugin-metadata")
    assert machine.path(WANTED).is_symlink()
    assert "(Debian package" in machine.exec("/usr/bin/pynet", "version")
    compiled = machine.path("/usr/lib/pynet/python/cli/__pycache__")
    assert list(compiled.glob("main.cpython-3*.pyc"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze")
def test_the_units_are_sound(machine: Host) -> None:
    """Systemd finds nothing to complain about, and the sandbox is a good one."""
    assert machine.exec("systemd-analyze", "verify", *UNITS) == ""
    report = machine.exec("systemd-analyze", "security", "--offline=true", "--threshold=35", UNITS[0])
    assert "Overall exposure level" in report


def test_containers_do_not_notice_upgrade_and_removal(machine: Host, package: Path) -> None:
    """A ping runs on while the package is put in again, removed, and purged; nothing of it stays on the disk."""
    plugin = Plugin(machine, "pynet", ("/usr/bin/pynet", "serve"))
    plugin.start()
    scene = Scene(machine, "pynet")
    network = scene.network()
    one, two = scene.containers(network, 2)
    pings = Pings(one, two.name)
    machine.exec("dpkg", "-i", str(package))
    plugin.restart()
    pings.goes_on()
    assert scene.container(scene.network()).reaches("127.0.0.1")
    plugin.stop()
    warned = machine.exec("sh", "-c", "dpkg -r pynet 2>&1")
    assert f"still has networks of pynet: {network}, " in warned
    assert there(machine) == ["/etc/default/pynet"]
    machine.exec("dpkg", "-P", "pynet")
    pings.goes_on()
    assert pings.without_gap()
    assert (there(machine), machine.path(WANTED).is_symlink()) == ([], False)
    assert not list(machine.path("/var/lib/pynet").iterdir())
