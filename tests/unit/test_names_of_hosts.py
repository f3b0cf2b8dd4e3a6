"""Names in policies: the addresses that DNS answers, how long they stay, and what a failure changes."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

import pytest

from plugin.errors import Failed
from plugin.policy.answers import KEPT, LONGEST, MOST, SHORTEST, NameAnswer, ResolvedName, SeenAddress, merged, pause
from plugin.policy.names import ResolvedNames
from plugin.protocol.messages import Address
from plugin.store.base import Put
from plugin.store.memory import MemoryStore

NAME, NOW = "github.com", 1_000_000
ONE, TWO, SIX = map(ip_address, ("140.82.112.1", "140.82.112.2", "2a00::1"))


def answer(*addresses: Address, ttl: int = 60) -> NameAnswer:
    return NameAnswer(addresses, ttl)


def addresses(record: ResolvedName) -> list[Address]:
    return [seen.address for seen in record.addresses]


def seen(*addresses: Address, until: int = NOW + KEPT) -> ResolvedName:
    return ResolvedName(NAME, tuple(SeenAddress(address, until) for address in addresses))


@pytest.mark.parametrize(
    ("before", "answers", "expected"),
    [
        (seen(), {4: answer(ONE), 6: answer(SIX)}, [ONE, SIX]),
        (seen(ONE), {4: answer(TWO), 6: answer()}, [ONE, TWO]),
        (seen(ONE, until=NOW - 1), {4: answer(TWO), 6: answer()}, [TWO]),
        (seen(ONE, SIX, until=NOW - 1), {4: answer(TWO)}, [TWO, SIX]),
        (seen(ONE, until=NOW - 1), {}, [ONE]),
        (seen(), {4: answer(*map(ip_address, ("127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0")))}, []),
        (seen(), {6: answer(*map(ip_address, ("::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "::")))}, []),
    ],
)
def test_addresses_stay_for_a_while_and_never_go_without_an_answer(
    before: ResolvedName, answers: Any, expected: Collection[Address]
) -> None:
    """A good answer adds, and removes what is old; a failed one changes nothing; no name opens the host itself."""
    assert addresses(merged(before, answers, NOW)) == expected


def test_a_name_has_a_bounded_number_of_addresses_and_questions() -> None:
    """The latest addresses stay; the pause follows the answer within bounds, and is short after a failure."""
    many = [ip_address(f"10.1.{number >> 8}.{number & 255}") for number in range(MOST)]
    after = merged(seen(*many, until=NOW + 1), {4: answer(ONE)}, NOW)

    assert (len(after.addresses), ONE in addresses(after)) == (MOST, True)
    assert [pause({4: answer(ONE, ttl=ttl)}) for ttl in (0, 100, 9999)] == [SHORTEST, 100, LONGEST]
    assert pause({}) == SHORTEST


def test_the_store_is_not_written_at_each_answer() -> None:
    """The time of an address is written anew when half of it is over."""
    record = seen(ONE)

    assert merged(record, {4: answer(ONE)}, NOW + 10) == record
    assert merged(record, {4: answer(ONE)}, NOW + KEPT - 10) == seen(ONE, until=NOW + 2 * KEPT - 10)


class Asked:
    """A DNS that answers with ``found``, or not at all without it."""

    def __init__(self) -> None:
        self.found: Collection[Address] = (ONE,)
        self.questions: list[str] = []

    def __call__(self, name: str, version: int) -> NameAnswer:
        self.questions.append(name)
        if not self.found:
            raise Failed(f"look up '{name}': no server answers")
        return answer(*(address for address in self.found if address.version == version))


def test_a_failure_closes_nothing_also_after_a_restart() -> None:
    """The addresses of the last good answer are known to the next process, before it asks and when DNS is away."""
    store, dns = MemoryStore(), Asked()
    first = ResolvedNames(store, dns)
    assert first.addresses(NAME) == []
    first.turn()
    assert first.addresses(NAME) == [ONE]

    dns.found = ()
    second = ResolvedNames(store, dns)
    assert second.addresses(NAME) == [ONE]
    second.turn()
    assert second.addresses(NAME) == [ONE]
    assert len(dns.questions) == 4


def test_a_name_without_policy_is_forgotten() -> None:
    """The record of a name goes when no policy has it; the thread ends then, and begins with the next name."""
    store = MemoryStore()
    store.transact(Put(seen(ONE)))
    names = ResolvedNames(store, Asked(), unused=-1.0)
    names.addresses(NAME)
    names.start(lambda _: ())
    loop = names._loop
    assert loop is not None
    loop.join(5.0)

    assert (store.list(ResolvedName), names._loop, names.trouble) == ([], None, "")
