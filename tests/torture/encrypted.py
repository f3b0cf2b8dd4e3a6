"""Scenarios of encrypted networks: the first and the last one of a host, its starts, and changes of keys."""

from dataclasses import replace

from plugin.model.names import WIREGUARD
from tests.torture.cluster import NAME, UNDERLAY
from tests.torture.engine import COMMAND, Call
from tests.torture.killing import SECRECY
from tests.torture.scenarios import (
    ALONE,
    LEAVE,
    OTHER,
    REMOVE,
    START,
    WITH_ANOTHER,
    Scenario,
    endpoint,
    join,
    network,
    of_mode,
)

CHANGED = 14.0  # seconds until an old key is forgotten, which nobody needs any more
SECRET = of_mode("overlay", network(), network=NAME, encrypt=WIREGUARD)
ANOTHER = of_mode("overlay", network(OTHER, 8), network="green", encrypt=WIREGUARD)
JOINED = (SECRET, endpoint(), join())
CHANGE = Call(f"{COMMAND}ChangeKeys")  # pynet cluster rekey
SCENARIOS = (
    Scenario("CreateNetwork, the first host", (), SECRET, shared=ALONE),
    Scenario("CreateNetwork", (), SECRET),
    Scenario("CreateNetwork, another", (ANOTHER,), SECRET),
    Scenario("CreateEndpoint", (SECRET,), endpoint()),
    Scenario("DeleteNetwork, the last host", (SECRET,), REMOVE, shared=ALONE),
    Scenario("DeleteNetwork with an endpoint", JOINED, REMOVE),
    Scenario("DeleteNetwork, one of two", (ANOTHER, *JOINED, LEAVE), REMOVE),
    Scenario("start", JOINED, where=START),
    Scenario("start after a reboot", (SECRET, endpoint()), where=START, reboot=True),
    Scenario("the tunnels after a reboot", (SECRET, endpoint()), where=SECRECY, reboot=True),
    Scenario("ChangeKeys", JOINED, CHANGE, shared=ALONE, rests=CHANGED),
    Scenario("a change of keys", JOINED, CHANGE, where=SECRECY, shared=ALONE, rests=CHANGED),
    Scenario("start amid a change of keys", (*JOINED, CHANGE), where=START),
    Scenario("a reboot amid a change of keys", (SECRET, endpoint(), CHANGE), where=SECRECY, reboot=True),
    Scenario("a change of keys by another host", JOINED, where=SECRECY, rekeyed=True),
)
ENCRYPTED = tuple(
    replace(each, name=f"encrypted: {each.name}", setup=UNDERLAY, kind=WIREGUARD, shared=each.shared or WITH_ANOTHER)
    for each in SCENARIOS
)
