"""Guests on one segment, each of them one host of an encrypted network (``tests.vm.one_host``)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

from tests.vm import image, one_host
from tests.vm.guest import Guest, command
from tests.vm.hub import Hub, nic
from tests.vm.packages import obtain

LIMIT = 900.0  # seconds for each guest, from its start to the end of the tests


class FarHost:
    """A host in a guest of its own."""

    def __init__(self, guest: Guest) -> None:
        self._guest, self._messages = guest, guest.messages()

    def tell(self, verb: str, *arguments: object) -> None:
        """Let it do something, and do not wait."""
        self._guest.tell({"verb": verb, "arguments": arguments})

    def hear(self) -> Mapping[str, Any]:
        """Wait for its answer; raises ``Lost`` when its time is over."""
        return next(self._messages)

    def ask(self, verb: str, *arguments: object) -> Any:
        """Let it do something and return the value."""
        self.tell(verb, *arguments)
        return _value(self.hear())


@dataclass(frozen=True, slots=True)
class Guests:
    """The hosts, .1 and up, and the segment between them."""

    hosts: Sequence[FarHost]
    hub: Hub

    def each(self, verb: str, *arguments: object) -> list[Any]:
        """Let all hosts do the same at the same time; return the values in their order."""
        for host in self.hosts:
            host.tell(verb, *arguments)
        answers = [host.hear() for host in self.hosts]
        return [_value(answer) for answer in answers]


@contextmanager
def started(count: int) -> Iterator[Guests]:
    """Start ``count`` guests with an etcd in the first one; they end with the block.

    Raises:
        Unavailable: this machine has no emulator or no kernel for them.
    """
    machinery = obtain()
    with ExitStack() as stack:
        file = stack.enter_context(TemporaryFile(dir="/var/tmp"))
        image.build(machinery, file, (), "etcd")
        file.flush()
        hub, hosts = stack.enter_context(Hub(count)), []
        for number, end in enumerate(hub.ends, 1):
            words = f"PROGRAM={one_host.__name__} {one_host.NUMBER}={number}"
            machine = [*command(machinery, file.fileno(), words=words), *nic(end, number)]
            guest = Guest(machine, machinery.environment, LIMIT, [file.fileno(), end.fileno()])
            stack.callback(guest.end)
            hosts.append(FarHost(guest))
        for host in hosts:
            host.hear()  # that it is up
        guests = Guests(hosts, hub)
        guests.each("plug")
        hosts[0].ask("serve")
        guests.each("start")
        yield guests


def _value(answer: Mapping[str, Any]) -> Any:
    assert "error" not in answer, answer["error"]
    return answer["value"]
