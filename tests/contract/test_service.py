"""pynet's own verbs, beside the engine's on the same socket."""

import pytest

from netlink.dump import Link
from tests.contract.conftest import Service
from tests.unit import requests as rq

BRIDGE = "pn-a1a1a1a1a1a1"


def test_reconcile_says_what_it_did(service: Service) -> None:
    """One entry for each repair, and none when all is well."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)

    assert service.post("Pynet.Reconcile") == (
        200,
        {
            "Repairs": [
                {
                    "Kind": "LinkDown",
                    "Sentence": f"link '{BRIDGE}' of network 'a1a1a1a1a1a1' is down: set it up",
                    "Error": "",
                }
            ]
        },
    )
    assert service.post("Pynet.Reconcile") == (200, {"Repairs": []})


def test_status_counts_repairs_and_names_what_fails(service: Service) -> None:
    """Counts since the start, and the last look's failures."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)
    service.post("Pynet.Reconcile")
    service.world.kernel.by_name[BRIDGE] = Link(50, BRIDGE, "dummy")
    service.post("Pynet.Reconcile")
    status, reply = service.post("Pynet.Status")

    assert (status, reply["Repairs"], reply["Looks"]) == (200, {"LinkDown": 1}, 2)
    assert isinstance(reply["Failing"], list)
    assert "give that one another name" in reply["Failing"][0]["Error"]


@pytest.mark.parametrize("method", ["Pynet.Nonsense", "Pynet", "pynet.Status", "Status"])
def test_other_methods_are_not_implemented(service: Service, method: str) -> None:
    """404 keeps its meaning."""
    assert service.post(method)[0] == 404


def test_a_look_that_is_not_possible_is_a_sentence(service: Service) -> None:
    """As for every other verb."""
    service.world.driver.create_network(rq.network())
    service.world.failing_store.real.close()
    status, reply = service.post("Pynet.Reconcile")

    assert status == 500
    assert "closed" in str(reply["Err"])
