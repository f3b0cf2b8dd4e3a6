"""What the policies of two ends say of a connection, by the model (``tests/kernel/test_path.py`` asks the kernel)."""

from collections.abc import Collection
from ipaddress import ip_address

import pytest

from plugin.model.policy import Policy
from plugin.options.policy import clients, destinations, sources
from plugin.policy.judge import Meeting, entering, leaving, using_port
from plugin.protocol.messages import Address

APP, GITHUB, SERVER = ip_address("10.9.0.3"), ip_address("140.82.112.3"), ip_address("192.0.2.53")
BOX = Policy(allow_out=destinations("tcp/443 dns:github.com, udp/123, app tcp/5432, 10.0.0.0/24"))
DB = Policy(
    groups=("db",), allow_from=sources("app tcp/5432, icmp @ 10.9.0.0/24"), publish_from=clients("192.0.2.0/24")
)


def names(name: str) -> Collection[Address]:
    return {"github.com": [GITHUB]}.get(name, [])


@pytest.mark.parametrize(
    ("meeting", "entry"),
    [
        (Meeting(GITHUB, "tcp", 443), "tcp/443 @ dns:github.com"),
        (Meeting(GITHUB, "tcp", 80), None),
        (Meeting(APP, "tcp", 443), None),
        (Meeting(None, "udp", 123), "udp/123"),
        (Meeting(APP, "tcp", 5432, ("app",)), "tcp/5432 @ app"),
        (Meeting(APP, "tcp", 5432), None),
        (Meeting(ip_address("10.0.0.7"), "sctp", 9), "10.0.0.0/24"),
        (Meeting(APP, "tcp", 22, also=ip_address("10.0.0.1")), "10.0.0.0/24"),
        (Meeting(ip_address("fd00::1"), "icmp"), None),
        (Meeting(SERVER, "udp", 53), "udp/53"),
        (Meeting(SERVER, "tcp", 53), "tcp/53"),
        (Meeting(SERVER, "tcp", 80), None),
    ],
)
def test_where_a_container_may_connect_to(meeting: Meeting, entry: str | None) -> None:
    """Addresses, groups and names of hosts count, and the resolvers where there is a name."""
    found = leaving(BOX, meeting, names, [SERVER])

    assert found is not None
    assert (str(found.entry) if found.entry else None) == entry


@pytest.mark.parametrize(
    ("meeting", "allowed"),
    [
        (Meeting(APP, "tcp", 5432, ("web", "app")), True),
        (Meeting(APP, "tcp", 5432, ("web",)), False),
        (Meeting(APP, "icmp"), True),
        (Meeting(None, "icmp"), False),
    ],
)
def test_who_may_connect_to_a_container(meeting: Meeting, allowed: bool) -> None:
    """Groups and addresses of ``pynet.from`` count; without the option everybody may."""
    found = entering(DB, meeting)

    assert found is not None
    assert found.allowed is allowed
    assert entering(Policy(), meeting) is None


def test_clients_of_published_ports_are_judged_apart() -> None:
    """``pynet.publish_from`` says who may use a published port, and ``pynet.from`` does not."""
    inside, outside = Meeting(SERVER, "tcp", 5432), Meeting(GITHUB, "tcp", 5432)
    rulings = [using_port(DB, meeting) for meeting in (inside, outside)]

    assert [ruling.allowed for ruling in rulings if ruling] == [True, False]
    assert using_port(Policy(), outside) is None
    assert leaving(Policy(), outside, names) is None


def test_without_a_name_nobody_is_asked_for_names() -> None:
    """Resolvers are open only where an entry has a name."""
    found = leaving(Policy(allow_out=destinations("tcp/443")), Meeting(SERVER, "udp", 53), names, [SERVER])

    assert found is not None
    assert not found.allowed
