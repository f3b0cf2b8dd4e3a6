"""The lines of a virtual machine, played by a shell."""

from contextlib import closing

import pytest

from tests.vm.guest import Guest, Lost
from tests.vm.hub import Hub
from tests.vm.segment import service
from tests.vm.serial import MARK

DONE = f"""printf '.{MARK}{{"nodeid": "a"}}\\n{MARK}{{"end": true}}\\n'"""


class Shell(Guest):
    """A guest that is a shell command."""

    close = Guest.end

    def __init__(self, command: str, limit: float = 60) -> None:
        super().__init__(["sh", "-c", command], {}, limit)


def test_messages_are_found_between_other_words() -> None:
    """A report may begin behind words of pytest or the kernel; the log has no part in it."""
    with closing(Shell(f"echo booting; {DONE}")) as guest:
        assert list(guest.messages()) == [{"nodeid": "a"}]


@pytest.mark.parametrize(
    ("command", "limit", "text"),
    [
        ("echo Kernel panic", 60, "the guest ended before its tests; its last lines:\nKernel panic"),
        ("echo booting; exec sleep 60", 0.5, "the time of the guest is over; its last lines:\nbooting"),
        (f"""echo '{MARK}{{"broken": "no module x"}}'""", 60, "the guest could not read its tests:\nno module x"),
    ],
)
def test_a_lost_guest_is_told_with_its_last_lines(command: str, limit: float, text: str) -> None:
    """A guest that ends early, hangs or cannot begin is no silence and no endless wait."""
    with closing(Shell(command, limit)) as guest, pytest.raises(Lost) as lost:
        list(guest.messages())

    assert str(lost.value).strip() == text


def test_a_guest_is_told_something() -> None:
    """A line of JSON comes in at its serial line; one that has ended is lost."""
    with closing(Shell(f"read line; printf '{MARK}%s\\n' \"$line\"")) as guest:
        guest.tell({"verb": "plug"})
        assert next(guest.messages()) == {"verb": "plug"}
        with pytest.raises(Lost, match="ended too early"):
            while True:
                guest.tell({})


def test_a_hub_gives_a_frame_to_all_others_and_keeps_it() -> None:
    """A machine that has ended harms nobody."""
    frame = bytes(12) + b"\x08\0\x45" + bytes(8) + b"\x11" + bytes(10) + b"\xca\x76\xca\x77"
    with Hub(4) as hub:
        for end in hub.ends:
            end.settimeout(60)
        hub.ends.pop(1).close()
        hub.ends[0].send(frame)
        assert [end.recv(2000) for end in hub.ends[1:]] == [frame, frame]
        hub.ends[0].setblocking(False)
        with pytest.raises(BlockingIOError):
            hub.ends[0].recv(2000)

    assert [service(frame) for frame in hub.frames] == ["udp 51830"]
