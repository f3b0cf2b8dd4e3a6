"""Tells which links this pynet made: by their alias or, until the alias is set, by their link group."""

import zlib
from dataclasses import dataclass

from netlink.links import Link, doomed
from plugin.model.names import Alias


@dataclass(frozen=True, slots=True)
class Owner:
    """A pynet by its name; two of them may run side by side, and each knows its own links."""

    name: str

    @property
    def group(self) -> int:
        """Link group in which links are born, a number below 2^31 that follows from the name; others leave it at 0."""
        return zlib.crc32(f"pynet/{self.name}".encode()) & 0x7FFFFFFF

    def made(self, link: Link) -> bool:
        """Say whether the alias of ``link`` is this pynet's."""
        return Alias.read(link.alias).pynet == self.name

    def began(self, link: Link) -> bool:
        """Say whether this pynet made ``link`` and was killed before the link had its alias.

        The container's end of a pair is in no group, and goes with the host's.
        """
        return not link.alias and self._is_in_group(link)

    def made_for(self, link: Link, identity: str) -> bool:
        """Say whether this pynet made ``link`` for the network or the endpoint ``identity``; "" stands for any.

        Who takes the alias from a link, or gives it another, leaves its group.
        """
        if self.made(link):
            return identity in ("", identity_of(link.alias))
        return self._is_in_group(link)

    def _is_in_group(self, link: Link) -> bool:
        return link.group in (self.group, doomed(self.group))


def identity_of(alias: str) -> str:
    """Return the id of what a link was made for, "" where its alias is no pynet's."""
    return Alias.read(alias).id
