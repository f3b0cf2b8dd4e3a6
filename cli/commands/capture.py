"""``pynet capture``: the packets of a container, seen at the end of its link that is on the host."""

import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO

import click

from cli.client.serving import answer
from cli.commands.name_book import NameBook, name_book
from cli.commands.needs_root import needs_root
from cli.commands.packet_text import as_data, as_words, summary
from cli.exit_codes import BadUsage
from cli.human import count
from netlink.errors import KernelError, reason
from netlink.packets import LARGEST, Instruction, PacketSocket, SeenPacket, is_link_gone
from netlink.uapi import ORDER
from plugin.errors import Failed

# struct pcap_file_header and struct pcap_sf_pkthdr of libpcap, pcap-savefile(5)
_FILE_HEADER, _PACKET_HEADER = struct.Struct(f"{ORDER}IHHiIII"), struct.Struct(f"{ORDER}IIII")
_MICROSECONDS, _VERSION, _ETHERNET = 0xA1B2C3D4, (2, 4), 1
PLACES = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
STANDARD = "-"  # the file that is standard output
COMPILING = 10.0  # seconds for tcpdump to translate a filter
Write = Callable[[SeenPacket], object]


@dataclass(frozen=True, slots=True)
class CaptureSubject:
    """The link of a container in a network, and the words of the filter.

    The link may be a parent, which carries frames of others too. Those of the container have its ``mac`` then or, if
    it has none of its own, its ``addresses``.
    """

    link: str
    filter: tuple[str, ...]
    mac: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def is_parent(self) -> bool:
        """Whether the link carries frames of others."""
        return bool(self.mac or self.addresses)


def subject(words: Sequence[str], networks: Sequence[Mapping[str, Any]], known: NameBook) -> CaptureSubject:
    """Return the link that the first one or two of ``words`` name, a container and one of its networks.

    The second word is the first of the filter if it does not name a network of the container.

    Raises:
        NotFound, BadUsage: as ``NameBook.endpoint``.
    """
    word, rest = words[0], tuple(words[1:])
    named = rest[:1] if rest and any(end.network.is_named(rest[0]) for end in known.running(word).ends) else ()
    _, found = known.endpoint(word, *named)
    places = ((network, end) for network in networks for end in network["Endpoints"] if end["ID"] == found.id)
    return replace(_link_of(*next(places)), filter=rest[len(named) :])


def _link_of(network: Mapping[str, Any], end: Mapping[str, Any]) -> CaptureSubject:
    """Return where the packets of an endpoint are seen: at its own end on the host, or at the parent of its link."""
    if end["Link"] != network.get("Link"):
        return CaptureSubject(end["Link"], ())
    addresses = tuple(end[key].partition("/")[0] for key in ("IPv4", "IPv6") if end[key])
    return CaptureSubject(end["Link"], (), end["MacAddress"], () if end["MacAddress"] else addresses)


def program_of(found: CaptureSubject, places: str = PLACES) -> list[Instruction]:
    """Return the program that passes the packets of a container; raises as ``compiled``."""
    if not found.is_parent:
        return compiled(found.filter, places)
    if found.mac and not found.filter:
        return of_mac(found.mac)
    own = f"ether host {found.mac}" if found.mac else " or ".join(f"host {address}" for address in found.addresses)
    also = ("and", "(", *found.filter, ")") if found.filter else ()
    return compiled(("(", own, ")", *also), places)


def of_mac(mac: str) -> list[Instruction]:
    """Return the program of the filter "ether host MAC", as tcpdump translates it."""
    high, low = int(mac.replace(":", "")[:4], 16), int(mac.replace(":", "")[4:], 16)
    word, half, equal, done = 0x20, 0x28, 0x15, 0x06  # BPF_LD of four and two bytes, BPF_JMP | BPF_JEQ, BPF_RET
    source = [(word, 0, 0, 8), (equal, 0, 2, low), (half, 0, 0, 6), (equal, 4, 0, high)]
    target = [(word, 0, 0, 2), (equal, 0, 3, low), (half, 0, 0, 0), (equal, 0, 1, high)]
    return [*source, *target, (done, 0, 0, LARGEST), (done, 0, 0, 0)]


def compiled(words: Sequence[str], places: str = PLACES) -> list[Instruction]:
    """Return a filter in the language of pcap-filter(7) as a program for the kernel; tcpdump translates it.

    Raises:
        Failed: there is no tcpdump.
        BadUsage: it does not understand the filter.
    """
    if not words:
        return []
    text, tcpdump = " ".join(words), shutil.which("tcpdump", path=places)
    if tcpdump is None:
        raise Failed(f"filter packets by '{text}': only tcpdump can translate that, and it is not installed")
    command = [tcpdump, "-ddd", "-y", "EN10MB", "-s", str(LARGEST), "--", text]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILING, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"filter packets by '{text}': tcpdump does not translate it: {error}") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("tcpdump: ")
        raise BadUsage(f"filter '{text}': {why}")
    return [_instruction(line) for line in done.stdout.splitlines()[1:]]


def _instruction(line: str) -> Instruction:
    code, jump_true, jump_false, constant = map(int, line.split())
    return code, jump_true, jump_false, constant


class PcapFile:
    """Writes packets in the format of libpcap, in the byte order of the host."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        out.write(_FILE_HEADER.pack(_MICROSECONDS, *_VERSION, 0, 0, LARGEST, _ETHERNET))
        out.flush()  # Wireshark waits for it

    def write(self, packet: SeenPacket) -> None:
        """Write a packet."""
        seconds, nanoseconds = divmod(packet.time, 1_000_000_000)
        data = packet.data[:LARGEST]
        self._out.write(_PACKET_HEADER.pack(seconds, nanoseconds // 1000, len(data), packet.length) + data)

    def flush(self) -> None:
        """Let the reader have what was written."""
        self._out.flush()


class Lines:
    """Writes a line for each packet, for people or as JSON; ``in`` is to the container.

    A link of the host sends to the container, a ``parent`` sends what comes from it.
    """

    def __init__(self, *, machine: bool, parent: bool = False) -> None:
        self._machine = machine
        self._parent = parent

    def write(self, packet: SeenPacket) -> None:
        """Write a packet."""
        way, found = "in" if packet.outgoing is not self._parent else "out", summary(packet.data)
        if self._machine:
            row = {"time": packet.time / 1e9, "direction": way, "length": packet.length, **as_data(found)}
            sys.stdout.write(f"{json.dumps(row)}\n")
        else:
            moment = datetime.fromtimestamp(packet.time / 1e9).astimezone().strftime("%H:%M:%S.%f")
            sys.stdout.write(f"{moment} {way:3} {as_words(found)} length {packet.length}\n")

    def flush(self) -> None:
        """Let the reader have what was written."""
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """The end of a capture: a number of packets, and seconds; 0 for none."""

    packets: int = 0
    seconds: float = 0.0


def packets(
    read: Callable[[float | None], SeenPacket | None],
    limits: CaptureLimits,
    idle: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[SeenPacket]:
    """Yield packets up to the limits; ``idle`` is called when the next one must be waited for."""
    until = clock() + limits.seconds if limits.seconds else None
    number = 0
    while not (limits.packets and number >= limits.packets):
        packet = read(0)
        if packet is None:
            idle()
            packet = read(None if until is None else max(0.001, until - clock()))
        if packet is None or (until is not None and clock() > until):
            return
        number += 1
        yield packet


def run(words: Sequence[str], limits: CaptureLimits, *, file: str, machine: bool) -> None:
    """Capture, and tell on standard error how much.

    Raises:
        KernelError, PynetError: see ``subject``, ``compiled`` and ``PacketSocket``; or the file cannot be written.
    """
    if file == STANDARD and sys.stdout.isatty():
        raise BadUsage("-w -: packets are not written to a terminal; name a file, or a pipe to Wireshark or tcpdump")
    if file and machine:
        raise BadUsage("--json and -w: choose one of them")
    networks = answer("Networks")["Networks"]
    found = subject(words, networks, name_book(networks))
    program = program_of(found)
    with needs_root(f"capture packets of '{words[0]}'"), closing(PacketSocket(found.link, program)) as source:
        if not file:
            _copy(source, Lines(machine=machine, parent=found.is_parent), limits)
            return
        try:
            with sys.stdout.buffer if file == STANDARD else open(file, "wb") as out:  # noqa: PTH123 - may be a device
                _copy(source, PcapFile(out), limits)
        except OSError as error:
            raise Failed(f"write '{file}': {reason(error)}") from error


def _copy(source: PacketSocket, to: PcapFile | Lines, limits: CaptureLimits) -> None:
    number = 0
    try:
        for packet in packets(source.read, limits, to.flush):
            to.write(packet)
            number += 1
        to.flush()
    except BrokenPipeError:
        pass  # the reader has seen enough
    except KernelError as error:
        if not is_link_gone(error):
            raise
        click.echo("note: the link is gone: the container was stopped or left the network", err=True)
    finally:
        lost = source.lost()
        click.echo(f"{count(number, 'packet')} captured" + f", {lost} lost: they came too fast" * bool(lost), err=True)
