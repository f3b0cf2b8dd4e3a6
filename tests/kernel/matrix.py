"""Asks who reaches whom with which service, and compares the fates with a table."""

from collections.abc import Mapping, Sequence

from tests.kernel.container import Container
from tests.kernel.probing import Asking, Question

SERVICES = ("tcp/7777", "tcp/7778", "udp/7777", "icmp")
ALL = " ".join(SERVICES)
Pair = tuple[str, str]  # source and target
Fates = dict[tuple[str, str, str, int], str]  # source, target, service, IP version


class Matrix:
    """``boxes`` are machines by name, "host" is the host; ``addresses`` has both addresses of each name.

    A name in ``also`` is another one of a box, which asks from its own address. "published" has a port alone.
    """

    def __init__(
        self, boxes: Mapping[str, Container], addresses: Mapping[str, tuple[str, str]], also: Mapping[str, str]
    ) -> None:
        self.boxes = boxes
        self._addresses = addresses
        self._also = also

    def fates(self, pairs: Sequence[Pair], services: tuple[str, ...] = SERVICES) -> Fates:
        """Ask every service of each pair in both families, each source all at once."""
        found: Fates = {}
        asking = {}
        for source in dict.fromkeys(source for source, _ in pairs):
            questions = [
                (source, target, service, version)
                for asker, target in pairs
                if asker == source
                for service in services
                if target != "published" or service == "tcp/7777"
                for version in (4, 6)
            ]
            asking[source] = questions, self._ask(source, questions)
        for questions, asked in asking.values():
            found |= dict(zip(questions, asked.fates(), strict=True))
        return found

    def _ask(self, source: str, questions: list[tuple[str, str, str, int]]) -> Asking:
        lines: list[Question] = []
        for _, target, service, version in questions:
            protocol, _, port = service.partition("/")
            own = self._addresses[source][version == 6] if source in self._also else ""
            where = 8081 if target == "published" else int(port or 0)
            lines.append((protocol, own, self._addresses[target][version == 6], where))
        return Asking(self.boxes.get(self._also.get(source, source)), lines)


def wrong(found: Fates, passes: Mapping[Pair, str]) -> Fates:
    """Return what passed and should not, and the other way round; ``passes`` has the services that pass."""
    return {
        question: fate
        for question, fate in found.items()
        if (fate == "passed") is not (question[2] in passes[question[:2]].split())
    }
