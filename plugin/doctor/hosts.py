"""Findings about the other hosts of a cluster: takeovers, those to come too, and hosts that are not reached."""

from collections.abc import Iterator

from plugin.doctor.facts import Facts, HostFinding, Severity


def takeovers(facts: Facts) -> Iterator[HostFinding]:
    """A host may be dead by the word of the cluster store alone, while its containers run."""
    for one in facts.serving.takeovers:
        cause = (
            f"host '{one.name}' has been missed for {one.gone:.0f} s; its addresses in network '{one.network}' are "
            f"taken over in {one.left:.0f} s"
        )
        cure = "if its containers run, start its pynet or mend its way to the cluster store before"
        yield HostFinding(Severity.WARNING, cause, cure, ("pynet cluster status",))


def lost_addresses(facts: Facts) -> Iterator[HostFinding]:
    """The container runs, and nobody hears it."""
    for one in facts.lost:
        addresses = " and ".join(map(str, one.addresses))
        cause = (
            f"endpoint '{one.endpoint[:12]}' of network '{one.network[:12]}' is closed: {addresses} is that of a "
            f"container on host '{one.host}' since a takeover"
        )
        cure = "remove the container and create it again, or remove the other one, and this one is opened"
        yield HostFinding(Severity.ERROR, cause, cure, ("pynet cluster status", "pynet endpoint ls"))


def left_out(facts: Facts) -> Iterator[HostFinding]:
    """Containers there run, and those of this host do not reach them."""
    for one in facts.serving.left_out:
        cause = f"network '{one.network}' of this host leaves out {one.what}: {one.why}"
        cure = "mend what the reason names; pynet follows by itself"
        yield HostFinding(Severity.WARNING, cause, cure, ("pynet cluster status",))


def turned_away(facts: Facts) -> Iterator[HostFinding]:
    """Two hosts may be on two segments, and each name an address on another one in PYNET_ADVERTISE."""
    for one in facts.serving.turned_away:
        cause = (
            f"{one.packets} packets from container {one.source} of another host came by '{one.link}' to network "
            f"'{one.network[:12]}' without a tunnel and were dropped: this host's way back is another link"
        )
        cure = "let both hosts reach each other's PYNET_ADVERTISE by links on one segment"
        yield HostFinding(Severity.WARNING, cause, cure, (f"ip route get {one.source}", "pynet drops"))
