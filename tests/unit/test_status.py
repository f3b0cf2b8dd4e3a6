"""``pynet status`` and ``pynet reconcile`` in words, from the replies of a running pynet."""

from collections.abc import Mapping
from typing import Any

from cli.client.serving import Older
from cli.commands.reconcile import as_lines, as_outcomes, repair_rows
from cli.commands.status import Answered, as_data, as_text, ask_cluster, ask_health, is_well
from plugin.engine.names import Known
from plugin.errors import Failed
from tests.contract.conftest import Service
from tests.contract.contract import document_validator

STORE = "etcd://10.0.0.1:2379/pynet"
HOSTS = [{"alive": True}, {"alive": False}]


def about(store: str = "") -> Mapping[str, Any]:
    """The reply to About of a pynet with a store that hosts share, or without one."""
    reply: dict[str, Any] = dict(Service().ask("About")[1])
    settings = [{**each, "Value": store} if each["Key"] == "PYNET_STORE" else each for each in reply["Settings"]]
    return {**reply, "Settings": settings}


def shown(cluster: Mapping[str, Any] | None) -> list[str]:
    """Return the lines about a host in that cluster."""
    status: dict[str, Any] = dict(Service().ask("Status")[1])
    data = as_data(Answered(about(), status, [], [], "28.5.2", {}, cluster))
    document_validator("status").validate(data)
    return as_text(data).splitlines()


def test_a_host_of_a_cluster_tells_of_it() -> None:
    """How many hosts there are and live, and how many problems; another host has no such line."""
    assert "cluster:    2 hosts, of which 1 alive; 1 problem" in shown({"hosts": HOSTS, "problems": ["x is dead"]})
    assert "cluster:    2 hosts, of which 1 alive; no problem" in shown({"hosts": HOSTS, "problems": []})
    assert not [line for line in shown(None) if line.startswith("cluster")]


def test_a_store_that_does_not_answer_is_a_problem_and_no_end() -> None:
    """The rest of the status is about this host; without a store nobody is asked."""

    def away(verb: str) -> Mapping[str, Any]:
        raise Failed(f"{verb}: no endpoint answers")

    assert ask_cluster(about(), away) is None
    assert ask_cluster(about(STORE), away) == {"hosts": [], "problems": ["ClusterStatus: no endpoint answers"]}
    assert ask_cluster(about(STORE), lambda _: {"Cluster": {"hosts": HOSTS, "problems": []}}) == {
        "hosts": HOSTS,
        "problems": [],
    }


def test_repairs_have_names_and_the_engine_is_asked_for_them_only_if_there_are_any() -> None:
    """A sentence names the network, and the container of an endpoint."""
    repair = {"Kind": "X", "Sentence": "link of network 'a1a1a1a1a1a1' and endpoint 'e0e0e0e0e0e0'", "Error": "gone"}
    known = Known({"a1" * 32: "blue"}, {"e0" * 32: "web"})

    def never() -> Known:
        raise AssertionError

    rows = repair_rows([repair], lambda: known)
    assert as_lines(rows) == "link of network 'blue' and container 'web' (failed: gone)"
    assert repair_rows([], never) == []


def test_a_repair_that_was_made_is_told_from_one_that_is_due() -> None:
    """The sentence says what is to be done, so a word in front says whether it was."""
    made = {"kind": "X", "sentence": "link 'a' is down: set it up", "error": ""}

    assert as_outcomes([made], due=False) == "repaired: link 'a' is down: set it up"
    assert as_outcomes([made], due=True) == "due: link 'a' is down: set it up"
    failed = {**made, "error": "denied"}
    assert as_outcomes([failed], due=False) == "not repaired: link 'a' is down: set it up (failed: denied)"


def test_a_pynet_that_is_older_than_the_command_has_a_status_without_health() -> None:
    """Everything else is told, with the reason, and is no failure; another error is one."""

    def older(_verb: str) -> Mapping[str, Any]:
        raise Older("ask the pynet that serves 'x': it is older than this command; restart it")

    status: dict[str, Any] = dict(Service().ask("Status")[1])
    data = as_data(Answered(about(), status, [], [], "28.5.2", {}, None, ask_health(older)))
    document_validator("status").validate(data)

    assert is_well(data)
    assert "health:     unknown; the running pynet is older than this command; restart it" in as_text(data).splitlines()
