"""What is wrong with pynet itself: its socket, settings, units, state, and what it cannot repair."""

from collections.abc import Iterator

from plugin.doctor.facts import Facts, Listener
from plugin.doctor.finding import Finding, Severity

LITTLE_SPACE = 64 << 20  # bytes
SETTINGS_EXIT = 78  # of pynet serve
_START = "systemctl start pynet.service"
_RESTART = "systemctl restart pynet.socket pynet.service"


def unseen(facts: Facts) -> Iterator[Finding]:
    """Whoever is not root gets no answer to some questions, and must not take that for good news."""
    if facts.unseen:
        what = f"only root may look at {', '.join(facts.unseen[:-1])}{' and ' if facts.unseen[1:] else ''}"
        what += f"{facts.unseen[-1]}: nothing is said about that"
        yield Finding("privileges", Severity.NOTE, what, "run pynet doctor as root")


def settings(facts: Facts) -> Iterator[Finding]:
    """With a bad setting pynet does not start."""
    for place, sentence in facts.bad_settings:
        fix = f"mend it in {place}"
        if place.startswith("/"):
            fix += f"; then {_RESTART}" if facts.systemd else ""
        yield Finding("settings", Severity.ERROR, f"{place} has a bad setting: {sentence}", fix)


def units(facts: Facts) -> Iterator[Finding]:
    """A unit that failed is started by nobody; one that failed for a bad setting has a finding already."""
    for unit, why in facts.failed_units.items():
        if not facts.bad_settings:
            fix = f"read journalctl -u {unit}; then {_RESTART}"
            yield Finding("units", Severity.ERROR, f"unit {unit} failed ({why})", fix)


def listener(facts: Facts) -> Iterator[Finding]:
    """A dead socket is worse than none: the engine tries it for 15 s in every call."""
    path = facts.socket
    start = f"start pynet, with {_START}" if facts.systemd else "start pynet, with pynet serve"
    if facts.failed_units or facts.bad_settings:
        start = "mend what keeps pynet from starting"
    if facts.listener is Listener.NOTHING:
        yield Finding("socket", Severity.WARNING, f"pynet does not run: there is no '{path}'", start)
    elif facts.listener is Listener.DEAD:
        what = f"nobody listens on '{path}', and each call of the engine tries for 15 s"
        yield Finding("socket", Severity.ERROR, what, f"{start}, which replaces it, or remove it with rm '{path}'")
    elif facts.listener is Listener.NO_SOCKET:
        what = f"'{path}' is a file and no socket, so that pynet cannot be reached"
        yield Finding("socket", Severity.ERROR, what, "move that file away, or choose another PYNET_SOCKET")
    elif facts.listener is Listener.HANGS:
        what = f"pynet accepts calls on '{path}' and does not answer them: docker waits with each call"
        again = "systemctl restart pynet.service" if facts.systemd else "end its process and start pynet serve"
        yield Finding("socket", Severity.ERROR, what, f"{again}; containers keep talking meanwhile")


def not_repaired(facts: Facts) -> Iterator[Finding]:
    """The pynet that serves looks all the time, and knows what it can do nothing about."""
    for sentence, error in dict(facts.serving.failing).items():
        what, _, fix = sentence.rpartition(": ")
        if error and error != sentence:
            what, fix = f"{sentence}: not done ({error})", "mend what it says, and run pynet reconcile"
        yield Finding("repairs", Severity.ERROR, what or sentence, fix)


def state(facts: Facts) -> Iterator[Finding]:
    """Without its state pynet does not know its networks."""
    folder = facts.state.folder
    if facts.state.problem:
        fix = f"mend what it says, or put a backup into '{folder}'"
        yield Finding("state", Severity.ERROR, facts.state.problem, fix)
    if facts.state.locked:
        path, why = facts.state.locked[0]
        more = f", and {len(facts.state.locked) - 1} more" if facts.state.locked[1:] else ""
        what = f"pynet may not change its state: '{path}' {why}{more}"
        fix = f"run chown -R root: '{folder}' && chmod -R u=rwX,go= '{folder}'"
        yield Finding("state", Severity.ERROR, what, fix)
    if facts.state.open_to_others:
        what = f"state folder '{folder}' can be entered by others than its owner"
        yield Finding("state", Severity.WARNING, what, f"run chmod 0700 '{folder}'")
    if facts.state.full:
        what = f"the disk of '{folder}' has no {facts.state.full} left: every change of a network fails"
        yield Finding("state", Severity.ERROR, what, "make room on that disk")
    elif facts.state.free < LITTLE_SPACE:
        what = f"the disk of '{folder}' has {facts.state.free >> 20} MiB left, and a full one stops every change"
        yield Finding("state", Severity.WARNING, what, "make room on that disk")
