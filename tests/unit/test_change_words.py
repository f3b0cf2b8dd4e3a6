"""The notes of ``pynet network set`` about a change."""

from cli.commands.changes import elsewhere
from cli.engine.containers import EngineNetwork

CHANGED = {"settings": [{"key": "pynet.guard"}]}


def test_a_change_of_a_network_that_spans_hosts_holds_on_one() -> None:
    """The user is told to change it on the others too, unless nothing changed or there are no others."""
    shared, own = EngineNetwork("a1", "blue", {}, "azure"), EngineNetwork("a1", "blue", {})

    assert elsewhere(CHANGED, shared) == [
        "network 'azure' spans hosts, and this is changed on this host alone; change it on each of them"
    ]
    assert not elsewhere({"settings": []}, shared)
    assert not elsewhere(CHANGED, own)
