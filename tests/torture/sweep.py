"""The sweep: pynet is killed right before and right after every step of every verb, and nothing is lost or left.

python -m tests.torture.sweep [EVERY] [NAME] [AT_ONCE]     every EVERY-th case (1: all) of scenarios whose name has NAME

With a crowd (``tests.torture.crowd``) the cases are played beside it (``tests.torture.beside``).
"""

import itertools
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cli.server.application  # noqa: F401 - loaded once, for all the processes that are forked
from netlink.errors import NotSupported
from netlink.kernel import Kernel
from netlink.wireguard import WireGuards
from plugin.model.names import WIREGUARD
from tests.torture.beside import Players, Reference
from tests.torture.case import GIVEN_UP, REPEATED, Case, Outcome, play
from tests.torture.crowd import NETWORKS
from tests.torture.encrypted import CHANGE, ENCRYPTED
from tests.torture.engine import COMMAND, IPAM
from tests.torture.lan import ON_LAN
from tests.torture.scenarios import REQUEST, RULES, SCENARIOS, Scenario

WITHOUT_STEPS = {"Join", "overlay: Join"}  # only reads
ONCE = (f"{IPAM}Request", f"{COMMAND}Unpublish", CHANGE.method)  # beginnings of verbs that are not repeated
MOST = 40  # steps of a scenario beside a crowd
AT_ONCE = 32  # cases, which wait half of the time: two cores are busy, and none is too late for that
Play = Callable[[Iterable[Case], Reference], Iterator[tuple[Case, Outcome]]]


@dataclass(slots=True)
class Report:
    """The result of the whole sweep."""

    planned: int = 0
    cases: int = 0
    missed: int = 0
    seconds: float = 0.0
    left: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every case was played, and but few missed their step."""
        return self.cases == self.planned > 0 and self.missed <= self.planned // 20


def behaviours(scenario: Scenario) -> tuple[str, ...]:
    """Return the possible reactions of the engine to a broken call; background work breaks none.

    A request for a pool or an address is not repeated with its body once it was read, and must not give the same twice.
    A port that is not published cannot be withdrawn, and keys are not changed while they change.
    """
    if scenario.where != REQUEST or scenario.verb is None:
        return (REPEATED,)
    return (GIVEN_UP,) if scenario.verb.method.startswith(ONCE) else (REPEATED, GIVEN_UP)


def sweep(every: int = 1, name: str = "", until: float = math.inf, at_once: int = AT_ONCE) -> Report:
    """Play every ``every``-th case of the scenarios whose name contains ``name``, but begin none after ``until``.

    ``at_once`` cases run beside each other. A sample plays each scenario with one behaviour of the engine, in turn.
    With a crowd the tables are never removed.
    """
    memory = Path("/dev/shm")
    place = tempfile.TemporaryDirectory(prefix="pynet-sweep-", dir=memory if memory.is_dir() else None)
    with place as folder, _playing(Path(folder), at_once) as play_all:
        return _sweep(play_all, every, name, until)


def _sweep(play_all: Play, every: int, name: str, until: float) -> Report:
    begin, report = time.monotonic(), Report()
    scenarios = [each for each in _playable(name) if not (NETWORKS and each.where == RULES)]
    chosen = [(scenario, _some_of(behaviours(scenario), number, every)) for number, scenario in enumerate(scenarios)]
    references: dict[tuple[str, str], Outcome] = {}
    for case, outcome in play_all((Case(scenario, each) for scenario, some in chosen for each in some), {}):
        references[case.scenario.name, case.behaviour] = outcome
        if outcome.faults:
            report.faults[f"{case.scenario.name}: without a kill, {case.behaviour}"] = outcome.faults
            print(f"FAULT {case.scenario.name}: without a kill\n  " + "\n  ".join(outcome.faults), flush=True)
    for scenario, some in chosen:
        if not references[scenario.name, some[0]].steps and scenario.name not in WITHOUT_STEPS:
            report.faults[scenario.name] = ["no step was counted, so none was tried"]
    cases = list(_cases(chosen, references))[::every]
    report.planned = len(cases)
    for case, outcome in play_all(itertools.takewhile(lambda _: time.monotonic() < until, cases), references):
        report.cases += 1
        report.missed += outcome.missed
        if outcome.left:
            report.left[str(case)] = outcome.left
        if outcome.faults:
            report.faults[str(case)] = outcome.faults
            print(f"FAULT {case}\n  " + "\n  ".join(outcome.faults), flush=True)
    report.seconds = time.monotonic() - begin
    return report


def _playable(name: str) -> Iterator[Scenario]:
    """Yield the scenarios whose name contains ``name`` and for which the kernel has all kinds of links."""
    kernel = Kernel()
    for scenario in (each for each in (*SCENARIOS, *ENCRYPTED, *ON_LAN) if name in each.name):
        if _has(kernel, scenario.kind):
            yield scenario
        else:
            print(f"left out: {scenario.name}: this kernel has no links of kind {scenario.kind}", flush=True)


def _has(kernel: Kernel, kind: str) -> bool:
    if kind == WIREGUARD:
        with suppress(NotSupported):
            WireGuards().try_wireguard()
            return True
        return False
    return not kind or kernel.has_kind(kind)


def _some_of(every_one: tuple[str, ...], number: int, every: int) -> tuple[str, ...]:
    return every_one if every == 1 else (every_one[number % len(every_one)],)


def _numbers(steps: int) -> Iterable[int]:
    """Return the numbers of the steps to kill at: with a crowd a start has thousands, of which some are enough."""
    if not NETWORKS or steps <= MOST:
        return range(1, steps + 1)
    return [1 + place * (steps - 1) // (MOST - 1) for place in range(MOST)]


def _cases(chosen: Iterable[tuple[Scenario, tuple[str, ...]]], references: Reference) -> Iterator[Case]:
    for scenario, some in chosen:
        for step in _numbers(len(references[scenario.name, some[0]].steps)):
            for side in ("before", "after")[:: 1 if step % 2 else -1]:  # so that a sample has both
                for behaviour in some:
                    yield Case(scenario, behaviour, step, side)


@contextmanager
def _playing(folder: Path, at_once: int) -> Iterator[Play]:
    """Return a function that plays cases: beside a crowd, or each in a process and on a host of its own."""
    if NETWORKS:
        with Players(folder) as players:
            yield players.play
    else:
        yield partial(_play_all, folder, at_once)


def _play_all(
    folder: Path, at_once: int, cases: Iterable[Case], references: Reference
) -> Iterator[tuple[Case, Outcome]]:
    """Play cases in processes of their own, some at once; those that run end with this."""
    running: dict[int, tuple[Case, Path]] = {}
    try:
        for case in cases:
            if len(running) >= at_once:
                yield _ended(running)
            place = Path(tempfile.mkdtemp(dir=folder))
            reference = references.get((case.scenario.name, case.behaviour))
            running[_fork(case, place, reference.looks if reference else [])] = case, place
        while running:
            yield _ended(running)
    finally:
        _end_all(running)


def _fork(case: Case, place: Path, reference: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            play(case, place, reference)
        finally:
            os._exit(0)
    return pid


def _end_all(running: Iterable[int]) -> None:
    """End the cases that still run; the kernel ends the pynets with them."""
    pids = list(running)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)
    if pids:
        time.sleep(1)


def _ended(running: dict[int, tuple[Case, Path]]) -> tuple[Case, Outcome]:
    pid, _ = os.wait()
    case, place = running.pop(pid)
    file = place / "outcome"
    outcome = Outcome(**json.loads(file.read_text())) if file.exists() else Outcome(faults=["the case itself died"])
    shutil.rmtree(place, ignore_errors=True)
    return case, outcome


def main(argv: list[str]) -> int:
    """Print the result; return 1 if anything was left or lost."""
    every, name, at_once, *_ = [*argv, *("1", "", str(AT_ONCE))[len(argv) :]]
    report = sweep(int(every), name, at_once=int(at_once))
    for case, left in report.left.items():
        print(f"left to the garbage collector: {case}: {', '.join(left)}")
    for case, faults in report.faults.items():  # again, beside the result: much was printed since
        print(f"FAULT {case}: {faults[0]}")
    print(
        f"{report.cases} of {report.planned} cases in {report.seconds:.0f} s, {report.missed} missed their step; "
        f"{len(report.faults)} with a fault, {len(report.left)} in which something waits for the garbage collector"
    )
    return 0 if report.complete and not report.faults else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
