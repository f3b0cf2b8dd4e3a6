"""The expected and the observed fate of the table of frames on a stage."""

from dataclasses import dataclass

from tests.kernel.wire.ends import Ends
from tests.kernel.wire.kind import FILTERED, SNOOPED, TOLD, UNLAWFUL, Kind
from tests.kernel.wire.learned import Fact
from tests.kernel.wire.play import EVERYBODY, GROUPS

ALONE = ("neighbour", "neighbour")  # what is sent to the neighbour, and heard by it
ALL = {"neighbour", "other", "gateway"}
REACH: dict[str, set[str]] = {  # who hears what is sent to a destination, if it passes
    "neighbour": {"neighbour"},
    "gateway": {"gateway"},
    **dict.fromkeys(EVERYBODY, ALL),
    **{group: set() for group in GROUPS},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A way of frames: on a bridge, on one that is open (without the guard), out of a host or into one by a tunnel."""

    way: str
    netfilter: bool

    def expected(self, kind: Kind) -> set[tuple[str, str]]:
        """Return destinations and who hears a kind of frame there."""
        heard = {(to, by) for to, names in REACH.items() for by in names if self._passes(kind, to, by)}
        return {ALONE} & heard if self.way == "open" else heard

    def _passes(self, kind: Kind, to: str, by: str) -> bool:
        """Say whether a kind of frame gets to a listener; the gateway hears nothing of other hosts."""
        away = self.way == "out" and by == "neighbour"
        ended = {
            UNLAWFUL: True,
            FILTERED: self.netfilter,
            SNOOPED: to in {"all of IPv4", "all of IPv6"},
            TOLD: away and to != "neighbour",
        }
        if any(ended[reason] for reason in kind.ends):
            return False
        if self.way == "in":
            return kind.tunnel and by != "gateway"
        return self.way == "open" or (kind.guard and (kind.tunnel or not away))


@dataclass(frozen=True, slots=True)
class Played:
    """Who heard which kinds of frames on a stage, by destination, and how beliefs changed."""

    scene: Scene
    ends: Ends
    heard: dict[str, set[tuple[str, str]]]
    learned: set[Fact]
    forgotten: set[Fact]

    def heard_of(self, kind: str) -> set[tuple[str, str]]:
        """Return destinations and listeners; of an open bridge only whether the neighbour heard its own."""
        heard = self.heard.get(kind, set())
        return {ALONE} & heard if self.scene.way == "open" else heard
