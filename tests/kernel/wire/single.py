"""Single frames from one container to another."""

from collections.abc import Iterable

from tests.kernel.container import Container
from tests.kernel.wire.ends import NOBODY, Ends
from tests.kernel.wire.play import LAST, collect, hearing, within
from tests.kernel.wire.stages import someone
from tests.kernel.wire.stamp import stamped
from tests.kernel.wire.table import KINDS


def between(sender: int, receiver: int) -> Ends:
    """Return the stations of two containers by the ends of their addresses; the gateway's MAC does not matter."""
    return Ends(someone(sender), someone(4), someone(1), someone(receiver), 0)


def frames(kind: str, ends: Ends) -> list[bytes]:
    """Return the frames of a kind of the table."""
    parts = KINDS[kind].build(ends)
    return stamped([parts] if isinstance(parts, bytes) else parts, ends.number)


def send(box: Container, sent: Iterable[bytes]) -> None:
    """Send frames from a container."""
    with within(box.pid)(["send", "eth0"]) as player:
        player.communicate("\n".join(frame.hex() for frame in sent), timeout=60)
    assert player.returncode == 0


def passes(kind: str, ends: Ends, sender: Container, receiver: Container) -> bool:
    """Say whether the receiver hears a kind of frame."""
    with hearing([(within(receiver.pid), ["it:eth0"])]) as listening:
        last = Ends(ends.me, NOBODY, NOBODY, ends.to, LAST).arp(1, ends.me.pair)
        send(sender, [*frames(kind, ends), *stamped([last], LAST)])
        return ("it", ends.number) in collect(listening)
