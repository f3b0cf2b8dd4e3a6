"""The DNS servers of the host, from its resolv.conf, which is read again when it has changed."""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from pathlib import Path

from netlink.routes import server_words
from plugin.model.resolver_place import RESOLVER

RESOLV_CONF = Path("/etc/resolv.conf")
_MOST = 3  # servers, as in the C library (resolv.conf(5), MAXNS)


class HostServers:
    """Knows the servers of the host; pynet's own addresses are never among them, so no question comes back."""

    def __init__(self, path: Path = RESOLV_CONF, own: Collection[str] = tuple(map(str, RESOLVER.values()))) -> None:
        self._path = path
        self._own = own
        self._seen: tuple[int, ...] = ()
        self._servers: Sequence[str] = ()

    def current(self) -> Sequence[str]:
        """Return the addresses of the servers, in the order of the file; none if it cannot be read."""
        try:
            now = self._path.stat()
            seen = (now.st_mtime_ns, now.st_size, now.st_ino)
            if seen != self._seen:
                self._servers, self._seen = self._read(self._path.read_text(errors="replace")), seen
        except OSError:
            self._servers, self._seen = (), ()
        return self._servers

    def _read(self, text: str) -> Sequence[str]:
        return [one for one in dict.fromkeys(server_words(text)) if _is_address(one) and one not in self._own][:_MOST]


def _is_address(text: str) -> bool:
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False
