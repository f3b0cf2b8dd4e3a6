"""Which hosts are alive by the word of the cluster store."""

from dataclasses import replace
from ipaddress import ip_address

from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.hosts.records import ClusterHost
from tests.engine.lab.process import wait_until
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore


class Watched:
    """A watcher with a clock that a test sets, in a cluster of two hosts."""

    def __init__(self) -> None:
        self.store = FakeClusterStore()
        self.now = 100.0
        self.answering: float | None = 0.0
        for name in ("id-a", "id-b"):
            self.store.announce(ClusterHost(name, name, ip_address("192.0.2.1"), 0), 30)
        self.hosts = LivingHosts(self.store, lambda: self.answering, lambda: self.now, lambda: 0.0)

    def watch(self) -> None:
        self.end = self.hosts.watch()
        self.await_listing()

    def await_listing(self) -> None:
        wait_until(lambda: not self.hosts.alive("nobody"), "the listing")

    def expire(self, host: str) -> None:
        self.store.expire(host)
        wait_until(lambda: not self.hosts.alive(host), "the end of the host")


def test_a_host_is_gone_since_it_was_heard_of() -> None:
    """The time runs by the watcher's own clock, and ends when the host is back."""
    watched = Watched()
    watched.watch()
    watched.expire("id-b")
    watched.now += 42
    assert (watched.hosts.alive("id-a"), watched.hosts.since("id-a")) == (True, None)
    assert (watched.hosts.alive("id-b"), watched.hosts.since("id-b")) == (False, 42)
    watched.store.announce(ClusterHost("id-b", "b", ip_address("192.0.2.1"), 0), 30)
    wait_until(lambda: watched.hosts.alive("id-b"), "the host to be back")
    watched.end()


def test_a_renewal_tells_nobody() -> None:
    """A host that writes the same record again, or another address, has neither come nor gone."""
    watched = Watched()
    watched.watch()
    host = ClusterHost("id-a", "id-a", ip_address("192.0.2.1"), 0)
    watched.store.announce(host, 30)
    watched.store.announce(replace(host, address=ip_address("192.0.2.9")), 30)
    watched.expire("id-b")  # heard after the renewals
    assert watched.hosts.alive("id-a")
    watched.end()


def test_while_the_store_is_away_every_host_may_be_alive() -> None:
    """When it is back, the time of a host that is still gone begins anew: it may have been there meanwhile."""
    watched = Watched()
    watched.watch()
    watched.expire("id-b")
    watched.now, watched.answering = 150.0, None
    assert watched.hosts.alive("id-b")
    watched.answering = 160.0
    watched.now = 170.0
    assert watched.hosts.since("id-b") == 10
    watched.end()


def test_a_host_that_was_never_seen_is_gone_since_the_watch_began() -> None:
    """A watcher that starts does not believe that it was dead before."""
    watched = Watched()
    assert watched.hosts.alive("id-x")  # nobody watches
    watched.watch()
    watched.now += 7
    assert watched.hosts.since("id-x") == 7
    watched.end()


def test_the_watch_ends_with_its_last_user() -> None:
    """Nothing watches the store for nobody, ends count once, and a new user begins anew."""
    watched = Watched()
    watched.watch()
    other = watched.hosts.watch()
    watched.end()
    watched.end()
    watched.expire("id-b")
    other()
    wait_until(lambda: not watched.store._feed._queues, "the end of the watch")
    assert watched.hosts.alive("id-b")


def test_a_record_that_cannot_be_read_is_of_a_living_host() -> None:
    """A newer pynet may write what this one cannot read; it renews its lease all the same."""
    watched = Watched()
    watched.watch()
    watched.store.spoil(ClusterHost, "id-c", "{}")
    watched.store.list(ClusterHost)  # as the watches of real stores do
    watched.store.spoil(ClusterHost, "id-c", "{}")
    wait_until(lambda: watched.hosts.alive("id-c"), "the host")
    watched.end()


def test_a_watch_that_cannot_begin_is_tried_again() -> None:
    """Until then nothing is known, so all are alive."""
    watched = Watched()
    watched.store.away = True
    watched.end = watched.hosts.watch()
    assert watched.hosts.alive("id-x")
    watched.store.away = False
    wait_until(lambda: not watched.hosts.alive("id-x"), "the watch")
    watched.end()


def test_the_store_answers_since_this_host_was_counted_among_the_living() -> None:
    """A host that was itself taken for dead may have slept, so its own time begins anew too."""
    shared = FakeClusterStore()
    host = ClusterMember(shared)
    seen = [host.membership.answering_since]
    for happens in ("start", "nothing", "expiry", "outage"):
        if happens == "expiry":
            shared.expire("id-a")
        shared.away = happens == "outage"
        host.beat()
        seen.append(host.membership.answering_since)
    before, first, same, after, away = seen
    assert (before, away) == (None, None)
    assert first == same != after
