"""pynet's own verbs, beside the engine's on the same socket."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from netlink.links import Link
from plugin.request.execution import WorkerPool
from plugin.request.locks import LOOK
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


def test_one_look_is_asked_for_at_a_time() -> None:
    """A Reconcile waits for a survey in progress; a second one is refused at once."""
    service = Service(WorkerPool(2.0))
    with service.world.locks.hold(LOOK), ThreadPoolExecutor(2) as pool:
        answers = [str(reply["Err"]) for _, reply in pool.map(service.post, ["Pynet.Reconcile"] * 2)]

    assert sorted(answers) == [
        "Pynet.Reconcile is busy: it is carried out 1 at a time at most, ask again in a moment",
        "look at links is busy with another request for more than 1 s",
    ]
    assert service.post("Pynet.Reconcile") == (200, {"Repairs": []})


def test_a_status_that_hangs_takes_four_callers_with_it(service: Service) -> None:
    """If Status hangs, four callers wait, and the fifth is told that pynet is busy."""
    hanging = threading.Event()
    service.world.reconciler._drops = lambda: hanging.wait(20) and ()  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(service.post, "Pynet.Status") for _ in range(5)]
        busy = next(as_completed(answers)).result()
        hanging.set()

    assert (busy[0], "it is carried out 4 at a time at most" in str(busy[1]["Err"])) == (500, True)
    assert sorted(answer.result()[0] for answer in answers) == [200] * 4 + [500]


def test_about_says_who_serves_and_by_which_settings(service: Service) -> None:
    """About returns the settings of the running pynet and their origins."""
    status, reply = service.post("Pynet.About")

    assert (status, reply["Name"], reply["StateDir"], reply["Managed"]) == (200, "pynet", "/nowhere", False)
    assert isinstance(reply["Settings"], list)
    assert {"Key": "PYNET_THREADS", "Value": "64", "Origin": "environment"} in reply["Settings"]
    assert {"Key": "PYNET_STORE", "Value": "", "Origin": "default"} in reply["Settings"]


def test_a_look_repairs_nothing(service: Service) -> None:
    """Look reports drift each time, and repairs nothing."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)
    first, second = service.post("Pynet.Look")[1], service.post("Pynet.Look")[1]
    repaired = service.post("Pynet.Reconcile")[1]

    assert first == second == repaired
    assert "LinkDown" in str(first)
    assert service.post("Pynet.Look") == (200, {"Repairs": []})


def test_ports_and_backup_are_what_the_store_has(service: Service) -> None:
    """Ports and Backup answer from the store; a missing state is refused with a sentence."""
    assert service.post("Pynet.Ports") == (200, {"Ports": []})
    status, reply = service.post("Pynet.Backup")
    assert (status, reply["Err"]) == (500, "read store '/nowhere/pynet.db': no such file or directory")


def test_a_cluster_that_is_none_is_a_sentence(service: Service) -> None:
    """Without a cluster both verbs name the missing setting."""
    for verb, body in (("ClusterStatus", ""), ("ForgetHost", '{"Host": "b"}')):
        status, reply = service.post(f"Pynet.{verb}", body)
        assert (status, "PYNET_STORE names no store that hosts share" in str(reply["Err"])) == (400, True)
    assert "field 'Host'" in str(service.post("Pynet.ForgetHost", "{}")[1]["Err"])
