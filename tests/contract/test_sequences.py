"""What a real Engine 29.7.2 sent, command by command, played again; it took its answers from a pynet that had faults.

Where that one refused, the engine goes on with Leave and DeleteEndpoint, which must be harmless after a success too.
"""

import json
from collections.abc import Iterator

import pytest

from plugin.model.records import Endpoint
from tests.contract.conftest import Service
from tests.contract.contract import INDEX, sequence, validator

ENGINE = "engine-29.7"
SEQUENCE = list(sequence(ENGINE))
COMMANDS = list(dict.fromkeys(command for command, _ in SEQUENCE))
TAKEN = "docker run -d --name cg --network nv4 -p 8004:80 busybox sleep 999"


def play(service: Service, until: str) -> Iterator[tuple[str, str, int, dict[str, object]]]:
    """Send everything up to the last Join or Program of the command ``until``; yield each with its reply."""
    last = max(
        index
        for index, (command, request) in enumerate(SEQUENCE)
        if command == until and request.method.endswith((".Join", ".ProgramExternalConnectivity"))
    )
    for command, request in SEQUENCE[: last + 1]:
        if INDEX[request.method].get("request"):
            validator(request.method, "request").validate(json.loads(request.body))
        yield command, request.method, *service.post(request.method, request.body)


def published(service: Service) -> set[str]:
    """Where a port of the host leads."""
    ports = [port for item in service.world.store.list(Endpoint) for port in item.record.published]
    return {f"{port.host} {port.host_port} {port.target}" for port in ports}


def command_with(words: str) -> str:
    """The command that contains ``words``."""
    (found,) = [command for command in COMMANDS if words in command]
    return found


def test_only_a_taken_port_is_refused(service: Service) -> None:
    """Every request of the recording is answered with success but the one for a port that a container has."""
    refused = [(command, reply) for command, _, status, reply in play(service, TAKEN) if status != 200]
    ((command, reply),) = refused
    assert command == TAKEN
    assert "on 0.0.0.0:8004 and [::]:8004: port is already allocated, to endpoint '38b1b46b653a'" in str(reply["Err"])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("--name ca", {"0.0.0.0 8000 172.18.0.2", ":: 8000 fd99:4615:fe17::2"}),
        ("--name cb", {"0.0.0.0 8001 172.18.0.2", ":: 8001 fd99:4615:fe17::2"}),
        ("connect nv6 cc", {"0.0.0.0 8002 172.18.0.2", ":: 8002 fd99:4615:fe17::2"}),
        ("--name ce", {"0.0.0.0 8003 172.18.0.2", ":: 8003 fd99:4615:fe17:1::2"}),
        ("restart -t0 ce", {":: 8003 fd99:4615:fe17::2"}),
        ("--name pas", {"0.0.0.0 18029 172.18.0.2", ":: 18029 172.18.0.2", "None 0 172.19.0.2"}),
        ("disconnect nv4 pas", {"None 0 172.19.0.2"}),
    ],
)
def test_each_family_leads_to_the_network_of_its_gateway(service: Service, words: str, where: set[str]) -> None:
    """At run, with gw-priority, and by ``network connect``; a routed network is open without being the gateway."""
    assert all(status == 200 for *_, status, _ in play(service, command_with(words)))
    assert published(service) == where


@pytest.mark.parametrize(("words", "open_"), [("--name pas", True), ("disconnect nv4 pas", False)])
def test_answers_of_a_routed_network_leave_by_the_gateway(service: Service, words: str, open_: bool) -> None:
    """The guard of the gateway's port lets the address on the routed network pass while the container is on both."""
    assert all(status == 200 for *_, status, _ in play(service, command_with(words)))
    found = [value.split(" . ")[-1] for name, value in service.world.nft.elements if name == "multihomed_addresses4"]
    assert found == (["172.19.0.2"] if open_ else [])
