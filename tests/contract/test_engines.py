"""Two real peers of the real server, as two engines on one socket."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.test_http import serving

PEER = """
import json, sys
from tests.contract.test_http import exchange
for line in sys.stdin:
    print(json.dumps(exchange(sys.argv[1], json.loads(line))), flush=True)
"""
HEAD = "POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: \r\nContent-Length: "
SUBNET = {"AddressSpace": "LocalDefault", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24", "AuxAddresses": {}}


def peer_of(command: list[str]) -> subprocess.Popen[str]:
    """Start a process that is told line by line."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


@pytest.fixture
def peers() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that send what they are told."""
    with serving() as address:
        command = [sys.executable, "-c", PEER, address]
        started = [peer_of(command) for _ in range(2)]
        yield started
        for peer in started:
            peer.communicate()


def create(peer: subprocess.Popen[str], identity: str) -> tuple[int, str]:
    """Let a peer create a network; return the status and the error."""
    body: dict[str, Any] = {"NetworkID": identity, "Options": {}, "IPv4Data": [SUBNET], "IPv6Data": []}
    text = json.dumps(body)
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write(json.dumps(f"{HEAD}{len(text)}\r\n\r\n{text}") + "\n")
    status, _, reply = json.loads(peer.stdout.readline())
    return status, reply.get("Err", "")


def test_a_second_engine_does_not_remove_the_network_of_the_first(peers: list[subprocess.Popen[str]]) -> None:
    """A second engine gets the subnet of the first only after the first has ended."""
    first, second = peers
    assert create(first, "a1" * 32)[0] == 200
    status, text = create(second, "b2" * 32)
    assert status == 500
    assert text.endswith(f"of network 'a1a1a1a1a1a1', which another engine has (process {first.pid})")
    assert create(first, "c3" * 32)[0] == 200
    first.communicate()
    assert create(second, "d4" * 32)[0] == 200
