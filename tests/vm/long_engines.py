"""Real engines on a kernel with ipvlan: with ``make test-vm`` only, as an emulated engine is slow."""

from collections.abc import Iterator

import pytest

from tests.engine.lab import image, service
from tests.engine.lab.engines import Engine, obtain, wanted
from tests.engine.lab.facts import V4, V6, facts
from tests.engine.lab.host import Host
from tests.engine.lab.outside import LINK, Outside
from tests.engine.lab.scene import Scene

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module", params=wanted()[-1:])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The newest engine that is wanted; the guest has those whose versions are in names of tests."""
    return obtain(request.param)


@pytest.fixture(scope="module")
def engine_host(engine: Engine) -> Iterator[Host]:
    """A throw-away host with a running engine, the image ``busybox``, pynet, and a LAN."""
    with Host(engine) as host:
        host.start_engine()
        image.load(host.docker)
        pynet = service.pynet(host)
        pynet.start()
        with Outside(host):
            yield host
        pynet.stop()


L3 = ("--subnet", "10.7.0.0/24")
SAME: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "l2 in both families": (
        ("-o", f"parent={LINK}", *V4, *V6),
        ("--ip", "198.51.100.70", "--ip6", "2001:db8:99::70", "-p", "8080:80"),
    ),
    "l3": (("-o", f"parent={LINK}", "-o", "ipvlan_mode=l3", *L3), ("--ip", "10.7.0.70")),
    "l3s, private": (
        ("-o", f"parent={LINK}", "-o", "ipvlan_mode=l3s", "-o", "ipvlan_flag=private", *L3),
        ("--ip", "10.7.0.70"),
    ),
    "internal": (("-o", f"parent={LINK}", *V4, "--internal"), ("--ip", "198.51.100.70")),
    "no parent": (V4, ("--ip", "198.51.100.70")),
}


@pytest.mark.parametrize(("network", "container"), SAME.values(), ids=SAME)
def test_the_same_options_give_the_same_as_the_built_in_ipvlan(
    engine_host: Host, network: tuple[str, ...], container: tuple[str, ...]
) -> None:
    """Addresses, routes, MTU, mode and the answers of Docker are those of the built-in driver."""
    found = []
    for driver, mode in (("ipvlan", ()), ("pynet", ("-o", "pynet.mode=ipvlan"))):
        scene = Scene(engine_host, driver)
        try:
            net = scene.network(*mode, *network)
            found.append(facts(scene.container(net, *container), net))
        finally:
            scene.close()
    assert found[0] == found[1]
