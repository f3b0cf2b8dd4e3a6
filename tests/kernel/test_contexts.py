"""Contexts of libnftables: the library keeps state for the whole process, and a socket for each."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from netlink.nftables import Form, LibraryRunner, Nftables
from tests.kernel.container import sh

LINKS = 20


def listing(_: int = 0) -> str:
    """List all rules by a context of its own."""
    with closing(LibraryRunner()) as runner:
        return runner.run("list ruleset\n", Form.TEXT)[1]


def test_threads_with_contexts_of_their_own_do_not_disturb_each_other() -> None:
    """Each command frees the names of links that the library keeps; without a lock this aborts or lists numbers."""
    sh("; ".join(f"ip link add br{number} type bridge" for number in range(LINKS)))
    rules = "; ".join(f"iif br{number} accept" for number in range(LINKS))
    with closing(Nftables(LibraryRunner())) as nft:
        nft.apply(f"table inet t {{ chain c {{ {rules}; }}; }}\n")
    with ThreadPoolExecutor(4) as threads:
        listed = set(threads.map(listing, range(1000)))

    assert listed == {listing()}
    assert f'iif "br{LINKS - 1}"' in listed.pop()


def test_a_closed_context_gives_its_socket_back_and_opens_again() -> None:
    """The server opens one for each question of a path, and must not run out of file descriptors."""
    before = sorted(Path("/proc/self/fd").iterdir())
    runner = LibraryRunner()
    for _ in range(3):
        assert runner.run("list tables\n", Form.TEXT)[0]
        runner.close()

    assert sorted(Path("/proc/self/fd").iterdir()) == before
