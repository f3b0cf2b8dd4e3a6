"""Deletes only links that this pynet made. A name proves nothing, as anybody may give it to a link."""

from collections.abc import Iterable
from contextlib import suppress

import structlog

from netlink.errors import Missing
from netlink.links import Link
from plugin.errors import Conflict
from plugin.interfaces import Links
from plugin.model.link_owner import Owner
from plugin.model.records import Tombstone

log = structlog.get_logger()


class OwnLinks:
    """Finds and deletes links by their name and the id of the network or endpoint for which they were made.

    The id "" matches any. Every verb may raise ``KernelError``.
    """

    def __init__(self, kernel: Links, owner: Owner) -> None:
        self._kernel = kernel
        self._owner = owner

    def find(self, name: str, identity: str) -> Link | None:
        """Return the link ``name`` if it was made for ``identity``."""
        link = self._kernel.link(name)
        return link if link is not None and self._owner.made_for(link, identity) else None

    def remove(self, name: str, identity: str) -> None:
        """Delete the link ``name`` if it was made for ``identity``."""
        link = self.find(name, identity)
        if link is not None:
            with suppress(Missing):
                self._kernel.delete_link(link)

    def expect(self, name: str, identity: str) -> Link | None:
        """Return the link ``name``, which was made for ``identity``; None without one.

        Raises:
            Conflict: another link has the name.
        """
        link = self._kernel.link(name)
        if link is not None and not self._owner.made_for(link, identity):
            alias = f" with alias '{link.alias}'" if link.alias else ""
            raise Conflict(
                f"use link '{name}' for '{identity[:12]}': there is another link of that name{alias}, which was not "
                "made for it"
            )
        return link

    def clear(self, name: str, identity: str) -> None:
        """Free ``name`` for a link of ``identity``, by deleting one that a killed request left.

        Raises:
            Conflict: another link has the name.
        """
        link = self.expect(name, identity)
        if link is not None:
            with suppress(Missing):
                self._kernel.delete_link(link)

    def delete(self, tombstones: Iterable[Tombstone]) -> None:
        """Delete the links of ``tombstones`` together; other links that have their names by now are left alone."""
        own = []
        for tombstone in tombstones:
            link = self._kernel.link(tombstone.link)
            if link is None:
                continue
            if self._owner.made_for(link, tombstone.owner):
                own.append(link)
            else:
                log.warning("link left alone: another one than was to be deleted", link=link.name, alias=link.alias)
        if own:
            self._kernel.delete_links(own)
