"""The limits of an endpoint's rates, in both directions: ``in`` is to the container, ``out`` is from it.

The host's end of the pair sends what goes in, so it has a token bucket. What comes out goes through the token bucket of
an ``ifb`` link, its limiter, before the bridge sees it (``netlink.limits``).
"""

from dataclasses import replace

from netlink.errors import NotSupported
from netlink.limits import Bucket
from netlink.values import dataclass
from plugin.errors import Unsupported
from plugin.host.link_settings import without_ipv6
from plugin.host.own_links import OwnLinks
from plugin.interfaces import Kernel
from plugin.model.desired import Desired, WantedLimit, WantedLink
from plugin.model.names import endpoint_alias, limiter_name
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.option import Option
from plugin.options.rates import OFF, Amount, Rate

LEAST_BURST = 128 << 10  # bytes
PACKET = 65536  # bytes, the largest packet of a link, unless its network has larger ones
BURST_TIME, QUEUE_TIME = 0.004, 0.015  # seconds of the rate
LONGEST_BURST = 200  # seconds: the kernel keeps it in 32 bits, as a number of 64 ns
IFB = "ifb"


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates and bursts of an endpoint."""

    rate_in: Rate
    rate_out: Rate
    burst_in: Amount | None
    burst_out: Amount | None


def rates_of(settings: NetworkSettings, own: EndpointSettings) -> Rates:
    """Return the rates of an endpoint: its options override those of its network."""
    return Rates(
        settings.rate_in if own.rate_in is None else own.rate_in,
        settings.rate_out if own.rate_out is None else own.rate_out,
        own.burst_in or settings.burst_in,
        own.burst_out or settings.burst_out,
    )


def bucket(rate: Rate, burst: Amount | None, packet: int) -> Bucket:
    """Return the token bucket for a rate and links whose largest packet has ``packet`` bytes, 0 for ``PACKET``.

    A packet larger than the bucket would be cut in software, and one larger than the queue is lost. The length of a
    packet that is to be cut counts the headers of all its parts, so the queue has room for more. Apart from that it is
    short, so that other packets do not wait long beside a transfer.
    """
    a_second, packet = rate.bits // 8, packet or PACKET
    size = max(LEAST_BURST, packet * 3 // 2, int(a_second * BURST_TIME), burst.bytes if burst else 0)
    queue = max(packet * 9 // 8, int(a_second * QUEUE_TIME))
    return Bucket(a_second, min(size, a_second * LONGEST_BURST), queue)


def limited(part: Desired, owner: str, network: Network, endpoint: Endpoint) -> Desired:
    """Return ``part`` with the limits of the endpoint, whose first link is the host's end of its pair."""
    rates = rates_of(network.settings, endpoint.settings)
    if rates.rate_in == rates.rate_out == OFF:
        return part
    end, wanted, links, settings = part.links[0].name, [], list(part.links), list(part.settings)
    if rates.rate_in != OFF:
        wanted.append(WantedLimit(endpoint.id, end, bucket(rates.rate_in, rates.burst_in, network.gso)))
    if rates.rate_out != OFF:
        limiter = limiter_name(endpoint.id)
        links.append(WantedLink(limiter, IFB, endpoint_alias(owner, endpoint), endpoint=endpoint.id, gso=network.gso))
        settings += without_ipv6(limiter)
        wanted.append(WantedLimit(endpoint.id, limiter, bucket(rates.rate_out, rates.burst_out, network.gso), end))
    return replace(part, links=links, settings=settings, limits=wanted)


def has_limiter(network: Network, endpoint: Endpoint) -> bool:
    """Return whether the endpoint has a limiter; options that cannot be read count as their defaults."""
    return rates_of(network.readable_settings, endpoint.readable_settings).rate_out != OFF


def describe(found: Bucket) -> str:
    """Return a token bucket in words."""
    return f"{Rate(found.rate * 8)}, burst {found.burst} bytes, queue {found.queue} bytes"


def check_limits(kernel: Kernel, links: OwnLinks, network: Network) -> None:
    """Refuse limits of a new network that this kernel cannot keep, by trying one on a link that goes at once.

    Raises:
        Unsupported: the kernel lacks a part.
    """
    settings = network.settings
    try:
        if settings.rate_in != OFF:
            kernel.try_buckets()
    except NotSupported as error:
        raise _unsupported(NetworkSettings.rate_in, error) from error
    if settings.rate_out == OFF:
        return
    name = limiter_name(network.id)
    links.clear(name, network.id)
    try:
        add_limiter(kernel, WantedLink(name, IFB))
        set_limit(kernel, WantedLimit("", name, bucket(settings.rate_out, None, 0), name))
    finally:
        links.remove(name, network.id)


def set_limit(kernel: Kernel, limit: WantedLimit) -> None:
    """Make a limit, or bring it in line; its links are there.

    Raises:
        Unsupported: the kernel lacks a part.
    """
    try:
        kernel.set_bucket(limit.link, limit.bucket)
        if limit.source:
            kernel.redirect(limit.source, limit.link)
    except NotSupported as error:
        option = NetworkSettings.rate_out if limit.source else NetworkSettings.rate_in
        raise _unsupported(option, error) from error


def add_limiter(kernel: Kernel, wanted: WantedLink) -> None:
    """Make the link of a limiter, which is down; raises as ``set_limit``, and ``Exists``."""
    try:
        kernel.add_ifb(wanted.name, wanted.gso if kernel.takes_gso() else 0)
    except NotSupported as error:
        raise _unsupported(NetworkSettings.rate_out, f"module ifb: {error}") from error


def _unsupported(option: Option[Rate], part: object) -> Unsupported:
    return Unsupported(f"option '{option.key}' needs a part that this kernel does not have ({part})")
