"""The table of frames: every kind, in one list; a new kind is a line in the file of its family."""

from tests.kernel.wire import kinds_icmpv6, kinds_ipv4, kinds_ipv6, kinds_link
from tests.kernel.wire.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for family in (kinds_link, kinds_ipv4, kinds_ipv6, kinds_icmpv6)
    for kind in family.KINDS
}  # fmt: skip
