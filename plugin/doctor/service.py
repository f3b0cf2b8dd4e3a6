"""Findings about pynet itself: its socket, settings, units, state, and repairs that fail."""

from collections.abc import Iterator

from plugin.doctor.facts import Facts, HostFinding, Listener, Severity

LITTLE_SPACE = 64 << 20  # bytes
MANY_PORTS = 8_192  # more than a host needs; the usual limit of 1,024 files leaves a tenth of it
FULL = 0.9  # of the ports that can be held
_START = "systemctl start pynet.service"
_RESTART = "systemctl restart pynet.socket pynet.service"


def unseen(facts: Facts) -> Iterator[HostFinding]:
    """A user who is not root gets no answer to some questions, and must not take that for good news."""
    if facts.unseen:
        what = f"only root may look at {', '.join(facts.unseen[:-1])}{' and ' if facts.unseen[1:] else ''}"
        what += f"{facts.unseen[-1]}: nothing is said about that"
        yield HostFinding("privileges", Severity.NOTE, what, "run pynet doctor as root")


def settings(facts: Facts) -> Iterator[HostFinding]:
    """With a bad setting pynet does not start."""
    for place, sentence in facts.bad_settings:
        fix = f"mend it in {place}"
        if place.startswith("/"):
            fix += f"; then {_RESTART}" if facts.systemd else ""
        yield HostFinding("settings", Severity.ERROR, f"{place} has a bad setting: {sentence}", fix)


def units(facts: Facts) -> Iterator[HostFinding]:
    """Nobody starts a failed unit; if it failed for a bad setting, there is a finding already."""
    for unit, why in facts.failed_units.items():
        if not facts.bad_settings:
            fix = f"read journalctl -u {unit}; then {_RESTART}"
            yield HostFinding("units", Severity.ERROR, f"unit {unit} failed ({why})", fix)


def listener(facts: Facts) -> Iterator[HostFinding]:
    """A dead socket is worse than none: the engine retries it for 15 s in every call."""
    path = facts.socket
    start = f"start pynet, with {_START}" if facts.systemd else "start pynet, with pynet serve"
    if facts.failed_units or facts.bad_settings:
        start = "mend what keeps pynet from starting"
    if facts.listener is Listener.NOTHING:
        yield HostFinding("socket", Severity.WARNING, f"pynet does not run: there is no '{path}'", start)
    elif facts.listener is Listener.DEAD:
        what = f"nobody listens on '{path}', and each call of the engine tries for 15 s"
        yield HostFinding("socket", Severity.ERROR, what, f"{start}, which replaces it, or remove it with rm '{path}'")
    elif facts.listener is Listener.NO_SOCKET:
        what = f"'{path}' is a file and no socket, so that pynet cannot be reached"
        yield HostFinding("socket", Severity.ERROR, what, "move that file away, or choose another PYNET_SOCKET")
    elif facts.listener is Listener.HANGS:
        what = f"pynet accepts calls on '{path}' and does not answer them: docker waits with each call"
        again = "systemctl restart pynet.service" if facts.systemd else "end its process and start pynet serve"
        yield HostFinding("socket", Severity.ERROR, what, f"{again}; containers keep talking meanwhile")


def not_repaired(facts: Facts) -> Iterator[HostFinding]:
    """The running pynet checks the host all the time, and tells what it cannot repair."""
    for sentence, error in dict(facts.serving.failing).items():
        what, _, fix = sentence.rpartition(": ")
        if error and error != sentence:
            what, fix = f"{sentence}: not done ({error})", "mend what it says, and run pynet reconcile"
        yield HostFinding("repairs", Severity.ERROR, what or sentence, fix)


def sockets(facts: Facts) -> Iterator[HostFinding]:
    """Each published port takes an open file of the running pynet."""
    held, most = facts.serving.sockets, facts.serving.most_sockets
    if not most or most >= MANY_PORTS:
        return
    what = f"pynet can hold {most} published ports, and holds {held}: each takes an open file, and it may not open more"
    fix = "set LimitNOFILE=1048576 in the unit, or run the container with --ulimit nofile=1048576"
    yield HostFinding("ports", Severity.WARNING if held > most * FULL else Severity.NOTE, what, fix)


def state(facts: Facts) -> Iterator[HostFinding]:
    """Without its state pynet does not know its networks."""
    folder = facts.state.folder
    if facts.state.problem:
        fix = f"mend what it says, or put a backup into '{folder}'"
        yield HostFinding("state", Severity.ERROR, facts.state.problem, fix)
    if facts.state.locked:
        path, why = facts.state.locked[0]
        more = f", and {len(facts.state.locked) - 1} more" if facts.state.locked[1:] else ""
        what = f"pynet may not change its state: '{path}' {why}{more}"
        fix = f"run chown -R root: '{folder}' && chmod -R u=rwX,go= '{folder}'"
        yield HostFinding("state", Severity.ERROR, what, fix)
    if facts.state.open_to_others:
        what = f"state folder '{folder}' can be entered by others than its owner"
        yield HostFinding("state", Severity.WARNING, what, f"run chmod 0700 '{folder}'")
    if facts.state.full:
        what = f"the disk of '{folder}' has no {facts.state.full} left: every change of a network fails"
        yield HostFinding("state", Severity.ERROR, what, "make room on that disk")
    elif facts.state.free < LITTLE_SPACE:
        what = f"the disk of '{folder}' has {facts.state.free >> 20} MiB left, and a full one stops every change"
        yield HostFinding("state", Severity.WARNING, what, "make room on that disk")
