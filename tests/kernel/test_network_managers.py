"""Programs that configure links leave pynet's alone, with the files of the packages."""

import re
import subprocess
from pathlib import Path

import pytest

from plugin.model.names import STUB
from plugin.modes.registry import MODES
from tests.kernel.container import sh

FILES = Path(__file__).parents[2] / "packaging/network"
PREFIXES = {kind.prefix for mode in MODES for kind in mode.links} | {STUB}
# In a mount namespace of its own: every link gets a lease, unless a file says otherwise; then what became of each.
NETWORKD = """
mount --make-rprivate /
mount -t sysfs -o ro none /sys
mount -t tmpfs none /run
mkdir -p /run/systemd/network
printf "[Match]\\nName=*\\n[Network]\\nDHCP=ipv4\\n" >/run/systemd/network/99-all.network
cp FILES /run/systemd/network
SYSTEMD_LOG_LEVEL=debug timeout 2 /lib/systemd/systemd-networkd 2>&1 | grep "State changed: initialized"
"""


def names(text: str) -> set[str]:
    """Return the prefixes of links that a file names."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return set(re.findall(r"\b(pn.)\*", "\n".join(lines)))


@pytest.mark.parametrize("name", ["10-pynet.network", "10-pynet.conf"])
def test_the_files_name_every_kind_of_link(name: str) -> None:
    """A new kind of link needs its place in both."""
    assert names((FILES / name).read_text()) == PREFIXES


@pytest.mark.parametrize("files", ["10-pynet.network", ""], ids=["with the file", "without it"])
def test_systemd_networkd_leaves_the_links_alone(files: str) -> None:
    """A file of the administrator that matches every link does not match pynet's."""
    sh("ip link add eth0 type veth peer name lan0; ip link set eth0 up; ip link set lan0 up")
    sh("ip link add pns0123456789ab link eth0 type macvlan mode bridge; ip link set pns0123456789ab up")
    sh("ip link add pn-0123456789ab type bridge; ip link set pn-0123456789ab up")
    script = NETWORKD.replace("cp FILES", f"cp {FILES / files}" if files else "true")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    states = {line.split(":")[0]: line.split()[-1] for line in done.stdout.splitlines()}

    assert states["eth0"] == "configuring"
    assert ({states["pns0123456789ab"], states["pn-0123456789ab"]} == {"unmanaged"}) is bool(files)
