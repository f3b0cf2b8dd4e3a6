"""Asks DNS, with dnspython, which is loaded with the first question: it takes 7 MB.

The C library's ``getaddrinfo`` would not tell how long an answer holds, reads /etc/hosts, which containers do not, and
cannot be given a time to answer in.
"""

from ipaddress import ip_address
from pathlib import Path

from plugin.errors import Failed
from plugin.policy.answers import NameAnswer

PATIENCE = 3.0  # seconds for all servers together
RESOLVERS = Path("/etc/resolv.conf")  # resolv.conf(5)
_TYPES = {4: "A", 6: "AAAA"}


class Dns:
    """Asks the resolvers of the host, which it reads anew for each question."""

    def __init__(self, resolvers: Path = RESOLVERS) -> None:
        self._resolvers = resolvers

    def __call__(self, name: str, version: int) -> NameAnswer:
        """Return the addresses of ``name`` for an IP version; none is an answer too.

        Raises:
            Failed: no server answered, or there is no such name.
        """
        from dns.exception import DNSException
        from dns.resolver import Resolver

        asked = f"{name}.", _TYPES[version]
        try:
            resolver = Resolver(str(self._resolvers))
            found = resolver.resolve(*asked, search=False, raise_on_no_answer=False, lifetime=PATIENCE)
        except (DNSException, OSError) as error:
            raise Failed(f"look up '{name}': {str(error) or type(error).__name__}") from error
        addresses = [ip_address(record.address) for record in found.rrset or ()]
        return NameAnswer(addresses, found.chaining_result.minimum_ttl)
