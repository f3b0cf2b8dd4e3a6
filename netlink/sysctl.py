"""Settings of the kernel, by their paths below /proc/sys ("net/ipv4/ip_forward")."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from netlink.errors import Missing, kernel_errors
from netlink.own_changes import SET, OwnChanges

FOLDER = Path("/proc/sys")
FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}  # by IP version; they make a host a router
LARGEST = 4096  # bytes of a value


class Sysctls:
    """Verbs on settings, which may raise ``KernelError``; /proc/sys itself is read-only in a container."""

    def __init__(self, folder: Path, changes: OwnChanges) -> None:
        self._folder = folder
        self._changes = changes

    def read_setting(self, path: str) -> str:
        """Return the value of a setting."""
        with kernel_errors(f"read setting '{path}'"), _opened(f"{self._folder}/{path}", os.O_RDONLY) as descriptor:
            return os.read(descriptor, LARGEST).decode().strip()

    def write_setting(self, path: str, value: str) -> None:
        """Set a setting of this network namespace."""
        self._changes.record(SET, path)
        with kernel_errors(f"set '{path}' to {value}"), _opened(f"{self._folder}/{path}", os.O_WRONLY) as descriptor:
            os.write(descriptor, value.encode())

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Set some settings, except those that are not there: a link without IPv6 has none of its settings."""
        for path, value in settings.items():
            with suppress(Missing):
                self.write_setting(path, value)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    """Open a setting. pathlib takes 40 to 110 µs, the kernel 12, and every network needs it three times."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
