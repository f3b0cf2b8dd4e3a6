"""Nameservers of the host (resolv.conf(5))."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from netlink.ip import Address

RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def nameservers(files: Iterable[Path]) -> Iterator[Address]:
    """Yield the nameservers of resolv.conf files, without loopback ones; a file may be missing."""
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for words in (line.split() for line in lines):
            if len(words) > 1 and words[0] == "nameserver":
                yield from _single(words[1])


def _single(text: str) -> Iterator[Address]:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return
    if not address.is_loopback:
        yield address
