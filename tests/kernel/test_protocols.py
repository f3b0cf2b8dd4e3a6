"""A host without /etc/protocols: names of protocols are neither needed nor missed."""

import subprocess
import sys

import pytest

from tests.kernel.container import Container
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
LOOK = """
from ipaddress import IPv4Address
from netlink.kernel import Kernel
from netlink.nftables import CommandRunner, LibraryRunner, Nftables
from plugin.firewall.listing import listed_elements
from plugin.model.records import Endpoint
from plugin.modes.registry import in_its_mode
from plugin.rebuild.networks import rebuilder
from tests.elements import written

wanted = written({"published_ports_any4": ["tcp . 8080 : 10.9.0.2 . 7777"]})
for runner in (LibraryRunner(), CommandRunner()):
    nft = Nftables(runner)
    listed = listed_elements(item for item in nft.list("table inet pynet") if "any4" in str(item.get("map")))
    found = rebuilder(Kernel(), nft, "pynet", (), in_its_mode)(())
    ports = [port for record in found if isinstance(record, Endpoint) for port in record.published]
    print(listed == wanted, [(port.proto, port.host_port) for port in ports])
"""


@pytest.mark.parametrize("file", ["/etc/protocols", "/dev/null"], ids=["there", "missing"])
def test_ports_are_recognized_and_rebuilt(pynet: Pynet, two: tuple[Container, Container], file: str) -> None:
    """Without /etc/protocols, as in an image without netbase, ports are compared and rebuilt."""
    pynet.driver.create_network(rq.network())
    pynet.publish(pynet.attach(two[0], rq.NETWORK_ID, 2), "0.0.0.0:8080")
    shell = f'mount --bind {file} /etc/protocols && exec {sys.executable} -c "$0"'
    command = ["unshare", "-m", "sh", "-c", shell, LOOK]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)

    assert [line for line in done.stdout.splitlines() if line.startswith("True")] == ["True [(6, 8080)]"] * 2


WRITE = """
from netlink.nftables import CommandRunner, LibraryRunner, Nftables
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

for runner in (LibraryRunner(), CommandRunner()):
    pynet = Pynet(nft=Nftables(runner))
    options = {"com.docker.network.bridge.gateway_mode_ipv6": "routed"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    print("(", pynet.reconciler.reconcile(), pynet.firewall.refused())
    pynet.end()
    pynet.close()
"""


def test_rules_are_written_without_names_of_protocols() -> None:
    """Without names of protocols, library and command write the same tables, and nothing differs afterwards."""
    shell = f'mount --bind /dev/null /etc/protocols && exec {sys.executable} -c "$0"'
    command = ["unshare", "-m", "sh", "-c", shell, WRITE]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)

    assert [line for line in done.stdout.splitlines() if line.startswith("(")] == ["( [] {}"] * 2
