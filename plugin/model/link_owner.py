"""Tells which links this pynet made: by their alias or, until the alias is set, by their link group."""

import zlib

from netlink.links import Link, doomed, ruled
from netlink.values import dataclass
from plugin.model.names import Alias


@dataclass(frozen=True, slots=True)
class Owner:
    """A pynet by its name; two of them may run side by side, and each knows its own links."""

    name: str

    @property
    def group(self) -> int:
        """Link group in which links are born, a number below 2^31 that follows from the name; others leave it at 0."""
        return zlib.crc32(f"pynet/{self.name}".encode()) & 0x7FFFFFFF

    @property
    def ruled_group(self) -> int:
        """Link group of ports whose containers have a policy: rules recognise them by it without a look-up."""
        return ruled(self.group)

    def made(self, link: Link) -> bool:
        """Return whether the alias of ``link`` is this pynet's."""
        return Alias.read(link.alias).pynet == self.name

    def began(self, link: Link) -> bool:
        """Return whether this pynet made ``link`` and was killed before the link had its alias.

        The container's end of a pair is in no group, and goes with the host's.
        """
        return not link.alias and self._is_in_group(link)

    def made_for(self, link: Link, identity: str) -> bool:
        """Return whether this pynet made ``link`` for the network or endpoint ``identity``, or for any if that is "".

        The group tells it too: a program that changes or removes the alias of a link does not change its group.
        """
        alias = Alias.read(link.alias)
        return identity in ("", alias.id) if alias.pynet == self.name else self._is_in_group(link)

    def _is_in_group(self, link: Link) -> bool:
        return link.group in (self.group, self.ruled_group, doomed(self.group))
