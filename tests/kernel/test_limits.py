"""Limits of rates on a real kernel: what passes, what is repaired, and that no change stops a link."""

from dataclasses import replace

import pytest

from netlink.limits import Bucket
from netlink.monitor import LINKS, NAMED
from netlink.own_changes import GONE, MADE, SET
from plugin.host.packet_size import BIG
from plugin.model.records import Endpoint
from plugin.protocol.messages import EndpointRef, NetworkRef
from plugin.store.base import Put
from tests.kernel.container import Container, sh
from tests.kernel.hosts import MakeHosts, soon
from tests.kernel.pynet import Pynet
from tests.kernel.rates import MBIT, rates, received, stream
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

ONE, TWO = "10.9.0.2", "10.9.0.3"
PORT, LIMITER = "pnh020202020202", "pni020202020202"


def limited(pynet: Pynet, two: tuple[Container, Container], **options: str) -> None:
    """Attach both containers; only the first one has limits, of its own."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.attach(two[0], rq.NETWORK_ID, 2, **options)
    pynet.attach(two[1], rq.NETWORK_ID, 3)


def change(pynet: Pynet, **options: str) -> None:
    """Give the first container other limits, in its record."""
    known = pynet.store.get(Endpoint, f"{rq.NETWORK_ID}/{'02' * 32}")
    assert known is not None
    own = {f"pynet.{key}": value for key, value in options.items()}
    pynet.store.transact(Put(replace(known.record, driver_opts=own)))
    pynet.reconciler.reconcile()


def shown() -> list[str]:
    """Return the token buckets, redirections and limiters of the namespace, in words of iproute2."""
    queues = [line for line in sh("tc qdisc show").splitlines() if "noqueue" not in line]
    filters = [line for line in sh(f"tc filter show dev {PORT} ingress").splitlines() if "Redirect" in line]
    return [" ".join(line.split()) for line in (*queues, *filters, *sh("ip -br link show type ifb").split()[:2])]


def findings(pynet: Pynet) -> list[str]:
    """Return the kinds of what a survey finds."""
    return [finding.kind for finding in pynet.survey.look((), idle=True).found]


@pytest.mark.parametrize("speed", [10, 100, 1000])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_rate_is_kept(pynet: Pynet, two: tuple[Container, Container], direction: str, speed: int) -> None:
    """The rate is right within 15 %; a busy machine may have less of 1 Gbit, which ``bench/limits.py`` measures."""
    limited(pynet, two, **{f"rate_{direction}": f"{speed}mbit"})
    one, other = two if direction == "out" else two[::-1]
    with stream(one, other, TWO if direction == "out" else ONE) as connection:
        found = rates(connection)

    assert min(found) < 1.15 * speed * MBIT
    assert sum(found) / len(found) < 1.15 * speed * MBIT
    assert max(found) > 0.85 * speed * MBIT or speed == 1000
    assert findings(pynet) == []


def test_the_other_direction_and_the_neighbour_have_no_limit(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A limit of what goes in slows down nothing that comes out."""
    limited(pynet, two, rate_in="1mbit")
    with stream(*two, TWO) as connection:
        assert max(rates(connection, 2)) > 20 * MBIT


def test_the_kernel_shows_what_was_asked_for(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Rates and bursts are those of the options; nothing is left of them after the container."""
    limited(pynet, two, rate_in="10mbit", rate_out="1.5gbit", burst_in="2mbyte")

    queue_in, place, queue_out, redirection, *link = shown()
    assert queue_in.startswith(f"qdisc tbf 706e: dev {PORT} root refcnt 3 rate 10Mbit burst ")
    assert place == f"qdisc ingress ffff: dev {PORT} parent ffff:fff1 ----------------"
    assert queue_out.startswith(f"qdisc tbf 706e: dev {LIMITER} root refcnt 2 rate 1500Mbit burst 7")
    assert redirection == f"action order 1: mirred (Egress Redirect to device {LIMITER}) stolen"
    assert link == [LIMITER, "UNKNOWN"]
    bursts = {name: round(bucket.burst, -3) for name, bucket in pynet.kernel.buckets([PORT, LIMITER]).items()}
    assert bursts == {PORT: 2_000_000, LIMITER: 750_000}
    pynet.driver.delete_endpoint(EndpointRef(rq.NETWORK_ID, "02" * 32))
    pynet.reaper.clear(PORT)
    pynet.reaper.clear(LIMITER)
    assert sh("tc qdisc show; ip link").count("tbf") == 0
    assert findings(pynet) == []


def test_a_smaller_bucket_does_not_stop_a_link(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A bucket that shrinks in place would never let a waiting packet pass that is larger than it."""
    limited(pynet, two)
    with stream(two[1], two[0], ONE) as connection:
        for burst in (1 << 20, 30_000, 1 << 20, 20_000, 10_000):
            pynet.kernel.set_bucket(PORT, Bucket(100 * MBIT, burst, 1 << 19))
            assert pynet.kernel.buckets([PORT])[PORT].burst == pytest.approx(burst, abs=20)
            received(connection, 0.2)
        assert received(connection, 0.5) > 10 * MBIT * 0.5


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_rate_changes_while_it_is_used(pynet: Pynet, two: tuple[Container, Container], direction: str) -> None:
    """Down, away and back: the connection goes on at the new rate each time."""
    key = f"rate_{direction}"
    limited(pynet, two, **{key: "200mbit"})
    one, other = two if direction == "out" else two[::-1]
    with stream(one, other, TWO if direction == "out" else ONE) as connection:
        for speed in (20, 0, 30):
            change(pynet, **({key: f"{speed}mbit"} if speed else {}))
            found = rates(connection, 2)
            assert max(found) > (0.85 * speed or 120) * MBIT
            assert not speed or min(found) < 1.15 * speed * MBIT
            assert findings(pynet) == []


HARM = {
    "bucket in": f"tc qdisc del dev {PORT} root",
    "bucket out": f"tc qdisc del dev {LIMITER} root",
    "another rate": f"tc qdisc change dev {PORT} root handle 706e: tbf rate 1mbit burst 1mb limit 1mb",
    "another queue": f"tc qdisc replace dev {PORT} root handle 9: pfifo",
    "filter": f"tc filter del dev {PORT} ingress",
    "place for filters": f"tc qdisc del dev {PORT} ingress",
    "limiter": f"ip link del {LIMITER}",
    "limiter down": f"ip link set {LIMITER} down",
}


@pytest.mark.parametrize("harm", HARM)
def test_what_others_take_away_is_heard_and_repaired(pynet: Pynet, two: tuple[Container, Container], harm: str) -> None:
    """The kernel tells of it, and a look at the named link brings the limits back as they were."""
    limited(pynet, two, rate_in="10mbit", rate_out="20mbit")
    before = [line.replace("706f", "706e") for line in shown()]
    with pynet.monitor() as bell:
        sh(HARM[harm])
        heard = bell.wait(5)
    named = {each.removeprefix(NAMED) for each in heard if each.startswith(NAMED)}
    assert named
    pynet.reconciler.look_at_links(named)

    assert [line.replace("706f", "706e").partition(" index")[0] for line in shown()] == before
    assert two[0].reaches(TWO)


def test_own_limits_are_not_heard(two: tuple[Container, Container]) -> None:
    """Limits that pynet makes, changes and ends are no news to it."""
    pynet = Pynet(memory=dict.fromkeys((MADE, GONE, SET), 60.0))
    with pynet.monitor() as bell:
        limited(pynet, two, rate_in="10mbit", rate_out="20mbit")
        change(pynet, rate_in="5mbit")
        change(pynet, rate_out="5mbit")
        change(pynet)
        sh("ip link add marker type bridge")
        heard: frozenset[str] = frozenset()
        while LINKS not in heard:
            heard |= bell.wait(5)
    pynet.close()

    assert [each for each in heard if each.startswith(NAMED)] == []


def test_limits_of_somebody_else_are_left_alone(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A user's token bucket and filter on a port without limits stay, also when a limit of pynet's ends."""
    limited(pynet, two)
    sh(f"tc qdisc add dev {PORT} root tbf rate 5mbit burst 1mb limit 1mb; tc qdisc add dev {PORT} ingress")
    sh(f"tc filter add dev {PORT} ingress protocol ip pref 7 u32 match u32 0 0 flowid :1")
    before = shown()
    pynet.reconciler.reconcile()
    assert shown() == before
    change(pynet, rate_out="10mbit")
    change(pynet)

    assert shown() == before
    assert "pref 7" in sh(f"tc filter show dev {PORT} ingress")


def test_a_start_finds_limits_as_they_are(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Another process with the same records repairs nothing, and ends limits that are in no record any more."""
    limited(pynet, two, rate_in="10mbit", rate_out="20mbit")
    before = shown()
    again = Pynet(pynet.store)
    again.reconciler.recover()
    assert shown() == before
    assert again.reconciler.status().repairs == {}
    change(again)
    again.close()

    assert shown() == []
    assert two[0].reaches(TWO)


def test_the_guard_judges_frames_behind_a_limit(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A frame that went through the limiter comes in by its port as before: a false address is dropped."""
    limited(pynet, two, rate_out="20mbit")
    assert two[0].reaches(TWO)
    two[0].sh("ip addr add 10.9.0.77/24 dev eth0; ip addr del 10.9.0.2/24 dev eth0")

    assert not two[0].reaches(TWO)


@pytest.mark.parametrize(("direction", "speed"), [("in", "10gbit"), ("out", "10gbit"), ("out", "100mbit")])
def test_packets_above_64_kb_pass_a_limit(
    pynet: Pynet, two: tuple[Container, Container], direction: str, speed: str
) -> None:
    """The bucket and the queue have room for packets of 192 kB, and the limiter takes them in one piece."""
    options = {"pynet.gso": "on", f"pynet.rate_{direction}": speed}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", options=options))
    for number, container in enumerate(two):
        pynet.attach(container, rq.NETWORK_ID, number + 2)
    with stream(*two, TWO) as connection:
        assert max(rates(connection, 2)) > 85 * MBIT
    dropped = sh(f"tc -s qdisc show dev {PORT if direction == 'in' else LIMITER}")

    assert f"gso_max_size {BIG}" in sh(f"ip -d link show {PORT if direction == 'in' else LIMITER}")
    assert "dropped 0" in dropped or speed == "100mbit"
    assert findings(pynet) == []


def test_limits_hold_between_hosts(make_hosts: MakeHosts) -> None:
    """In an overlay network a container has the limits of its host's network, also towards another host."""
    hosts = make_hosts(2)
    for host in hosts:
        host.create(overlay(rq.NETWORK_ID, rate_out="20mbit"))
    one, other = (host.run(rq.NETWORK_ID, number) for number, host in enumerate(hosts, start=2))
    assert soon(lambda: one.reaches(TWO))
    with stream(one, other, TWO) as connection:
        found = rates(connection, 2)
    assert min(found) < 1.15 * 20 * MBIT
    assert max(found) > 0.85 * 20 * MBIT
    assert all("rate 20Mbit" in host.sh("tc qdisc show") for host in hosts)


def test_a_reboot_leaves_nothing_of_limits(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """After a reboot the endpoint and its limits are forgotten, and the network is made again for new ones."""
    limited(pynet, two, rate_in="10mbit", rate_out="20mbit")
    sh(f"ip link del {PORT}; ip link del {LIMITER}; ip link del pnh030303030303; ip link del pn-a1a1a1a1a1a1")
    again = Pynet(pynet.store)
    again.reconciler.recover()
    assert shown_after_reboot() == ["pn-a1a1a1a1a1a1"]
    again.driver.delete_network(NetworkRef(rq.NETWORK_ID))
    again.end()
    again.close()

    assert shown_after_reboot() == []


def shown_after_reboot() -> list[str]:
    """Return the links of the namespace that pynet made."""
    return [line.split()[0] for line in sh("ip -br link").splitlines() if line.startswith("pn")]
