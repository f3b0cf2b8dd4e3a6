"""Findings about pynet itself: its socket, settings, units, state, and repairs that fail."""

import re
from collections.abc import Iterator

from plugin.doctor.facts import Facts, HostFinding, Listener, Severity

LITTLE_SPACE = 64 << 20  # bytes
MANY_PORTS = 8_192  # more than a host needs; the usual limit of 1,024 files leaves a tenth of it
FULL = 0.9  # of the ports that can be held
_RESTART = "systemctl restart pynet.socket pynet.service"
_DROP_IN = "/etc/systemd/system/pynet.service.d/files.conf"
_VARIABLE = re.compile(r"'(PYNET_\w+)'")


def unseen(facts: Facts) -> Iterator[HostFinding]:
    """A user who is not root gets no answer to some questions, and must not take that for good news."""
    if facts.unseen:
        cause = f"only root may look at {', '.join(facts.unseen[:-1])}{' and ' if facts.unseen[1:] else ''}"
        cause += f"{facts.unseen[-1]}: nothing is said about that"
        yield HostFinding(Severity.NOTE, cause, "run pynet doctor as root", ("sudo pynet doctor",))


def settings(facts: Facts) -> Iterator[HostFinding]:
    """With a bad setting pynet does not start."""
    for place, sentence in facts.bad_settings:
        cure, commands = f"correct it in {place}", tuple(f"unset {key}" for key in _VARIABLE.findall(sentence)[:1])
        if place.startswith("/"):
            cure, commands = f"{cure}, and start pynet again", (f'"${{EDITOR:-vi}}" {place}', *_restart(facts))
        yield HostFinding(Severity.ERROR, f"{place} has a bad setting: {sentence}", cure, commands)


def units(facts: Facts) -> Iterator[HostFinding]:
    """Nobody starts a failed unit; if it failed for a bad setting, there is a finding already."""
    for unit, why in facts.failed_units.items():
        if not facts.bad_settings:
            commands = (f"journalctl --no-pager -n 20 -u {unit}", _RESTART)
            cure = "read its log, mend what it says, and restart the unit"
            yield HostFinding(Severity.ERROR, f"unit {unit} failed ({why})", cure, commands)


def listener(facts: Facts) -> Iterator[HostFinding]:
    """A dead socket is worse than none: the engine retries it for 15 s in every call."""
    path, start = facts.socket, _start(facts)
    cure = "start pynet" if start else "mend what keeps pynet from starting, which another finding names"
    if facts.listener is Listener.NOTHING:
        yield HostFinding(Severity.WARNING, f"pynet does not run: there is no '{path}'", cure, start)
    elif facts.listener is Listener.DEAD:
        cause = f"nobody listens on '{path}', and each call of the engine tries for 15 s"
        yield HostFinding(Severity.ERROR, cause, f"remove that file, and {cure}", (f"rm '{path}'", *start))
    elif facts.listener is Listener.NO_SOCKET:
        cause = f"'{path}' is a file and no socket, so that pynet cannot be reached"
        commands = (f"mv '{path}' '{path}.aside'", *start)
        yield HostFinding(
            Severity.ERROR, cause, f"move that file away, or choose another PYNET_SOCKET; {cure}", commands
        )
    elif facts.listener is Listener.HANGS:
        cause = f"pynet accepts calls on '{path}' and does not answer them: docker waits with each call"
        kill = f"kill -KILL \"$(cat '{facts.state.folder}/lock')\""
        again = ("systemctl restart pynet.service",) if facts.systemd else (kill, "pynet serve")
        yield HostFinding(Severity.ERROR, cause, "restart pynet; containers keep talking meanwhile", again)


def not_repaired(facts: Facts) -> Iterator[HostFinding]:
    """The running pynet checks the host all the time, and tells what it cannot repair."""
    for sentence, error in dict(facts.serving.failing).items():
        cause, _, cure = sentence.rpartition(": ")
        if error and error != sentence:
            cause, cure = f"{sentence}: not done ({error})", "mend what it says, and let pynet try again"
        yield HostFinding(Severity.ERROR, cause or sentence, cure, ("pynet reconcile",))


def sockets(facts: Facts) -> Iterator[HostFinding]:
    """Each published port takes an open file of the running pynet."""
    held, most = facts.serving.sockets, facts.serving.most_sockets
    if not most or most >= MANY_PORTS:
        return
    cause = (
        f"pynet can hold {most} published ports, and holds {held}: each takes an open file, and it may not open more"
    )
    cure = "let it open more files; a container has the flag --ulimit nofile=1048576 for that"
    commands: tuple[str, ...] = ("ulimit -n 1048576; pynet serve",)
    if facts.systemd:
        write = f"printf '[Service]\\nLimitNOFILE=1048576\\n' >{_DROP_IN}"
        commands = (f"mkdir -p {_DROP_IN.rpartition('/')[0]}", write, "systemctl daemon-reload", _RESTART)
    yield HostFinding(Severity.WARNING if held > most * FULL else Severity.NOTE, cause, cure, commands)


def metrics(facts: Facts) -> Iterator[HostFinding]:
    """Metrics by TCP are for this host alone, unless somebody opens them; a taken port does not stop pynet."""
    if facts.serving.metrics_problem:
        cause = f"nobody can read the metrics of pynet by TCP: {facts.serving.metrics_problem}"
        cure = "end the program that has the port, or choose another PYNET_METRICS; pynet tries again twice a minute"
        yield HostFinding(Severity.WARNING, cause, cure, ("ss -ltnp", "pynet settings"))
    if facts.serving.metrics:
        cause = f"everybody who reaches '{facts.serving.metrics}' can read the metrics of pynet, which name containers"
        cure = "let a firewall admit your Prometheus alone, or choose a port of 127.0.0.1 as PYNET_METRICS"
        yield HostFinding(Severity.NOTE, cause, cure, ("pynet settings",))


def state(facts: Facts) -> Iterator[HostFinding]:
    """Without its state pynet does not know its networks."""
    folder = facts.state.folder
    if facts.state.problem:
        cure = "mend what it says, or replace the state by a backup while pynet is stopped"
        yield HostFinding(Severity.ERROR, facts.state.problem, cure, (*_stop(facts), "pynet restore BACKUP"))
    if facts.state.locked:
        path, why = facts.state.locked[0]
        more = f", and {len(facts.state.locked) - 1} more" if facts.state.locked[1:] else ""
        cause = f"pynet may not change its state: '{path}' {why}{more}"
        commands = (f"chown -R root: '{folder}'", f"chmod -R u=rwX,go= '{folder}'")
        yield HostFinding(Severity.ERROR, cause, "give the folder to root alone", commands)
    if facts.state.open_to_others:
        cause = f"state folder '{folder}' can be entered by others than its owner"
        yield HostFinding(Severity.WARNING, cause, "close it", (f"chmod 0700 '{folder}'",))
    yield from _disk(facts)


def _disk(facts: Facts) -> Iterator[HostFinding]:
    folder, cure = facts.state.folder, "make room on that disk"
    commands = (f"df -h '{folder}'", f"du -xh --max-depth=2 \"$(stat -c %m '{folder}')\" | sort -h | tail")
    if facts.state.full:
        cause = f"the disk of '{folder}' has no {facts.state.full} left: every change of a network fails"
        yield HostFinding(Severity.ERROR, cause, cure, commands)
    elif facts.state.free < LITTLE_SPACE:
        cause = f"the disk of '{folder}' has {facts.state.free >> 20} MiB left, and a full one stops every change"
        yield HostFinding(Severity.WARNING, cause, cure, commands)


def _start(facts: Facts) -> tuple[str, ...]:
    """Return the command that starts pynet; none where something else has to be mended first."""
    if facts.failed_units or facts.bad_settings:
        return ()
    return ("systemctl start pynet.service",) if facts.systemd else ("pynet serve",)


def _restart(facts: Facts) -> tuple[str, ...]:
    return (_RESTART,) if facts.systemd else ("pynet serve",)


def _stop(facts: Facts) -> tuple[str, ...]:
    return ("systemctl stop pynet.socket pynet.service",) if facts.systemd else ()
