"""A served pynet in a network namespace of its own under many requests at once, valid, nearly valid and garbage.

``python -m tests.torture.storm`` prints one line of figures and what was wrong, and ends with 1 if anything was.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.settings import admin_place
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Lease, Network, Pool, Tombstone
from plugin.store.sqlite.store import read_records
from tests.engine.lab.api import UnixConnection
from tests.rules import without_drops
from tests.settling import settle
from tests.torture import crowd
from tests.torture.traffic import Request, garbage, lives, removals

PYNET = str(Path(sys.executable).with_name("pynet"))
ANSWER = 25.0  # seconds: more than pynet's own deadline
CLIENTS = 24  # at the same time for generated requests
SETTLE = 20.0  # seconds for what happens after the replies
Reply = tuple[int, Any, float]  # status, body, seconds


@dataclass
class Outcome:
    """The outcome of a storm; ``complaints`` is empty if all is well."""

    statuses: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, request: Request, reply: Reply) -> None:
        """Count one reply and look whether it may be one."""
        status, body, seconds = reply
        self.statuses[f"{status // 100}xx"] += 1
        self.worst = max(self.worst, seconds)
        text = body.get("Err") if isinstance(body, dict) else None
        if status == 0:
            self.complaints.append(f"{request.method}: no answer after {seconds:.1f} s: {body}")
        elif status != 200 and not request.broken and (not text or "internal error" in text):
            self.complaints.append(f"{request.method}: {status} without a sentence: {body}")
        elif request.must_succeed and status != 200:
            self.complaints.append(f"{request.method}: {status} {text}")


class Served:
    """``pynet serve`` in a network namespace with only lo, on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.state, self.log = folder / "storm.sock", folder / "state", folder / "log"
        environment = {"PATH": os.environ["PATH"], "PYNET_SOCKET": str(self.socket), "PYNET_STATE_DIR": str(self.state)}
        script = f"ip link set lo up && exec {PYNET} serve"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", script], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        self._wait_for(lambda: self.ask(Request("Plugin.Activate"))[0] == 200, "pynet to serve")

    @property
    def database(self) -> Path:
        """The file of the store."""
        return self.state / "pynet.db"

    def net(self, *command: str) -> str:
        """Run a command in pynet's network namespace."""
        argv = ["nsenter", "-t", str(self._process.pid), "-n", "--", *command]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout

    def ask(self, request: Request) -> Reply:
        """Send a request; status 0 and the reason when there is no answer."""
        connection = UnixConnection(self.socket, ANSWER)
        begin = time.monotonic()
        try:
            connection.request("POST", f"/{request.method}", request.body)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error), time.monotonic() - begin
        finally:
            connection.close()
        try:
            return answer.status, json.loads(body), time.monotonic() - begin
        except ValueError:
            return answer.status, body.decode(errors="replace"), time.monotonic() - begin

    def end(self) -> None:
        """Ask it to end; the namespace goes with it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + SETTLE
        while not condition():
            if time.monotonic() > until or self._process.poll() is not None:
                self.end()
                raise AssertionError(f"waited for {what}: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)


@contextmanager
def served() -> Iterator[Served]:
    """Run pynet for a while."""
    with tempfile.TemporaryDirectory(prefix="pynet-storm-") as folder:
        pynet = Served(Path(folder))
        try:
            yield pynet
        finally:
            pynet.end()


def all_at_once(pynet: Served, stories: Sequence[Sequence[Request]], outcome: Outcome) -> float:
    """Tell every story in a thread of its own, all beginning at once; return the seconds that it took."""
    start = threading.Barrier(len(stories) + 1)

    def tell(story: Sequence[Request]) -> list[tuple[Request, Reply]]:
        start.wait()
        return [(request, pynet.ask(request)) for request in story]

    with ThreadPoolExecutor(len(stories)) as pool:
        told = [pool.submit(tell, story) for story in stories]
        start.wait()
        begin = time.monotonic()
        for future in told:
            for pair in future.result():
                outcome.note(*pair)
    return time.monotonic() - begin


def pour(pynet: Served, requests: Iterator[Request], seconds: float, outcome: Outcome) -> int:
    """Send ``requests`` by a few clients until they or ``seconds`` are used up; return how many."""
    guard, until, sent = threading.Lock(), time.monotonic() + seconds, 0

    def client() -> None:
        nonlocal sent
        while time.monotonic() < until:
            with guard:
                request = next(requests, None)
            if request is None:
                return
            reply = pynet.ask(request)
            with guard:
                sent += 1
                outcome.note(request, reply)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for future in [pool.submit(client) for _ in range(CLIENTS)]:
            future.result()
    return sent


def differences(pynet: Served) -> list[str]:
    """Return the differences of store and kernel: links, addresses, held ports, elements of the firewall."""
    networks, endpoints = read_records(pynet.database, Network), read_records(pynet.database, Endpoint)
    wanted = {network.link for network in networks} | {host_link_name(end.id) for end in endpoints}
    links = json.loads(pynet.net("ip", "-j", "address"))
    found = {link["ifname"] for link in links if link["ifname"] != "lo" and not link["ifname"].startswith("pnc")}
    held = {(words[0], words[4].rpartition(":")[2]) for words in map(str.split, _listening(pynet))}
    published = {({6: "tcp", 17: "udp"}[p.proto], str(p.host_port)) for end in endpoints for p in end.published}
    rules = without_drops(pynet.net("nft", "list", "ruleset"))
    named = {name for name in wanted if name.startswith("pn") and f'"{name}"' not in rules}
    parts = {
        "links without a record": found - wanted,
        "records without a link": wanted - found,
        "ports held for nobody": held - published,
        "published ports not held": published - held,
        "not in the firewall": named if networks else set(),
        "tombstones": {stone.link for stone in read_records(pynet.database, Tombstone)},
    }
    return [f"{what}: {sorted(map(str, names))[:5]} of {len(names)}" for what, names in parts.items() if names]


def _listening(pynet: Served) -> list[str]:
    return pynet.net("ss", "-Hlntu").splitlines()


def remains(pynet: Served) -> list[str]:
    """Return the objects of pynet that are left after all removals."""
    links = [link["ifname"] for link in json.loads(pynet.net("ip", "-j", "link")) if link["ifname"] != "lo"]
    kinds: tuple[type[Any], ...] = (Network, Endpoint, Tombstone, Pool, Lease)
    records = [record.key for kind in kinds for record in read_records(pynet.database, kind)]
    rules = pynet.net("nft", "list", "ruleset").split("\n")[0]
    if crowd.NETWORKS:
        others = [f"left: {key}" for key in records if not crowd.is_of_it(key)]
        return [*others, *crowd.missing(admin_place(pynet.socket))]
    return [f"left: {what}" for what in [*links, *records, rules, *_listening(pynet)] if what]


def clear(pynet: Served, outcome: Outcome) -> None:
    """Remove every network and pool as the engine would, and wait for the background."""
    networks = [network.id for network in read_records(pynet.database, Network) if not crowd.is_of_it(network.id)]
    pools = [pool.id for pool in read_records(pynet.database, Pool)]
    for request in removals(networks, pools):
        outcome.note(request, pynet.ask(request))
    outcome.complaints += settle(lambda: remains(pynet), SETTLE)


def storm(calls: int, requests: int, seconds: float, seed: int) -> Outcome:
    """Run both parts on one pynet: ``calls`` endpoints at once over ten networks, then ``requests`` generated ones."""
    outcome = Outcome()
    with served() as pynet:
        crowd.gather(crowd.beside(pynet.socket))
        networks, born, buried = lives(calls)
        for request in networks:
            outcome.note(request, pynet.ask(request))
        took = all_at_once(pynet, born, outcome)
        outcome.complaints += settle(lambda: differences(pynet), SETTLE)
        again = all_at_once(pynet, buried, outcome)
        outcome.complaints += settle(lambda: differences(pynet), SETTLE)
        clear(pynet, outcome)
        outcome.notes.append(f"{calls} endpoints at once made in {took:.1f} s, removed in {again:.1f} s")
        begin = time.monotonic()
        sent = pour(pynet, garbage(random.Random(seed), requests), seconds, outcome)
        outcome.notes.append(f"{sent} generated requests in {time.monotonic() - begin:.0f} s")
        outcome.complaints += settle(lambda: differences(pynet), SETTLE)
        clear(pynet, outcome)
        outcome.complaints += [line[:300] for line in pynet.log.read_text().splitlines() if "Traceback" in line]
    return outcome


def main() -> int:
    """Run the whole storm: PYNET_STORM_REQUESTS of at most PYNET_STORM_SECONDS."""
    requests = int(os.environ.get("PYNET_STORM_REQUESTS", "20000"))
    seconds = float(os.environ.get("PYNET_STORM_SECONDS", "300"))
    outcome = storm(300, requests, seconds, seed=int(os.environ.get("PYNET_STORM_SEED", "4")))
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(outcome.statuses.items()))
    figures = "; ".join([*outcome.notes, f"replies {statuses}", f"slowest {outcome.worst * 1000:.0f} ms"])
    print(f"storm: {figures}; {len(outcome.complaints)} complaints")
    for complaint in outcome.complaints[:20]:
        print(f"storm: {complaint}")
    return 1 if outcome.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
